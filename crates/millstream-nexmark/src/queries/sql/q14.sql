SELECT auction, bidder, 908 * price,
    CASE
        WHEN dateTime // 3600000 % 24 BETWEEN 8 AND 18 THEN 'dayTime'
        WHEN dateTime // 3600000 % 24 <= 6 OR dateTime // 3600000 % 24 >= 20 THEN 'nightTime'
        ELSE 'otherTime'
    END,
    dateTime, extra, length(extra) - length(replace(extra, 'c', ''))
FROM bid
WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000
