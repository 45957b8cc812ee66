-- A session ends 10 s after its last bid; one that comes at its very end is still part of it.
WITH begun AS (
    SELECT bidder, dateTime,
        coalesce(dateTime - lag(dateTime) OVER (PARTITION BY bidder ORDER BY dateTime) > 10000, true) AS begins
    FROM bid
),
numbered AS (
    SELECT bidder, dateTime,
        sum(begins::INTEGER) OVER (PARTITION BY bidder ORDER BY dateTime ROWS UNBOUNDED PRECEDING) AS session
    FROM begun
)
SELECT bidder, count(*), min(dateTime), max(dateTime) + 10000 FROM numbered GROUP BY bidder, session
