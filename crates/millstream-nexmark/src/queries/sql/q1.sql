-- Thousandths of a cent: the suite's 0.908 * price is DECIMAL(23, 3).
SELECT auction, bidder, price * 908, dateTime, extra FROM bid
