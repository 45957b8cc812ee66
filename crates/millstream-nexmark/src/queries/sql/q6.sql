-- The last row of the suite's moving average: a seller's last ten winning bids in the order of their times.
WITH winning AS (
    SELECT A.seller, B.price, B.dateTime, A.id
    FROM auction AS A JOIN bid AS B ON A.id = B.auction
    WHERE B.dateTime BETWEEN A.dateTime AND A.expires
    QUALIFY row_number() OVER (PARTITION BY A.id ORDER BY B.price DESC, B.dateTime) = 1
),
last_ten AS (
    SELECT seller, price FROM winning
    QUALIFY row_number() OVER (PARTITION BY seller ORDER BY dateTime DESC, price DESC, id DESC) <= 10
)
SELECT seller, sum(price)::BIGINT // count(*) FROM last_ten GROUP BY seller
