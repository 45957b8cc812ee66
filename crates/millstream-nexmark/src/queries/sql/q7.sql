-- The suite also takes bids of the very end of a window, which are of the next one; here windows do not overlap.
SELECT auction, bidder, price, dateTime, extra
FROM bid
QUALIFY price = max(price) OVER (PARTITION BY dateTime // 10000)
