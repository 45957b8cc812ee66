-- Each bid is in the five windows that hold its time; the end tells them apart.
WITH counts AS (
    SELECT auction, window_end, count(*) AS num
    FROM (
        SELECT auction, unnest(range(dateTime // 2000 * 2000 + 2000, dateTime // 2000 * 2000 + 12000, 2000)) AS window_end
        FROM bid
    )
    GROUP BY auction, window_end
)
SELECT auction, num, window_end FROM counts QUALIFY num = max(num) OVER (PARTITION BY window_end)
