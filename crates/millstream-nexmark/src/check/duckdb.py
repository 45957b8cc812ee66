"""Answers queries over events: SQL on standard input as JSON (a name and a text each), rows on standard output.

Each line is the query's name, a tab, and a row as a JSON array. The argument is a folder with person.json, auction.json and
bid.json, one event a line.
"""

import json
import sys

import duckdb

TABLES = {
    "person": "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, "
    "dateTime BIGINT, extra VARCHAR",
    "auction": "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, dateTime BIGINT, "
    "expires BIGINT, seller BIGINT, category BIGINT, extra VARCHAR",
    "bid": "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime BIGINT, extra VARCHAR, "
    "processingTime BIGINT",
}

folder = sys.argv[1]
connection = duckdb.connect()
for table, columns in TABLES.items():
    kinds = ", ".join("{}: '{}'".format(*column.split()) for column in columns.split(", "))
    connection.execute(
        f"CREATE TABLE {table} AS SELECT * FROM "
        f"read_json('{folder}/{table}.json', format = 'newline_delimited', columns = {{{kinds}}})"
    )
for name, sql in json.load(sys.stdin):
    answer = connection.execute(sql)
    while rows := answer.fetchmany(10_000):
        rows = (json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows)
        sys.stdout.write("".join(f"{name}\t{row}\n" for row in rows))
