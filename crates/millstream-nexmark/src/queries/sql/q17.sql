SELECT auction,
    strftime(make_timestamp(dateTime * 1000), '%Y-%m-%d') AS day,
    count(*),
    count(*) FILTER (WHERE price < 10000),
    count(*) FILTER (WHERE price >= 10000 AND price < 1000000),
    count(*) FILTER (WHERE price >= 1000000),
    min(price),
    max(price),
    sum(price)::BIGINT // count(*),
    sum(price)::BIGINT
FROM bid
GROUP BY auction, day
