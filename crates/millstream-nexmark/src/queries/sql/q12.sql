-- processingTime is what the run's clock said when it read the bid.
SELECT bidder, count(*), processingTime // 10000 * 10000 AS starttime, processingTime // 10000 * 10000 + 10000 AS endtime
FROM bid
GROUP BY bidder, starttime, endtime
