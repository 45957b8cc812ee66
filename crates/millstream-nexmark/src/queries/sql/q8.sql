SELECT P.id, P.name, P.starttime
FROM (SELECT DISTINCT id, name, dateTime // 10000 * 10000 AS starttime FROM person) AS P
JOIN (SELECT DISTINCT seller, dateTime // 10000 * 10000 AS starttime FROM auction) AS A
    ON P.id = A.seller AND P.starttime = A.starttime
