"""Encodes or decodes one record with fastavro, as often as a line of the standard input says, and answers with ns a record."""

import io
import json
import sys
import time

import fastavro

schema = fastavro.parse_schema(json.loads(sys.argv[1]))
data = bytes.fromhex(sys.argv[2])
record = fastavro.schemaless_reader(io.BytesIO(data), schema)
written = io.BytesIO()
fastavro.schemaless_writer(written, schema, record)
assert written.getvalue() == data, "fastavro writes something else"


def encode(count):
    for _ in range(count):
        fastavro.schemaless_writer(io.BytesIO(), schema, record)


def decode(count):
    for _ in range(count):
        fastavro.schemaless_reader(io.BytesIO(data), schema)


for line in sys.stdin:
    what, count = line.split()
    start = time.perf_counter_ns()
    {"encode": encode, "decode": decode}[what](int(count))
    print((time.perf_counter_ns() - start) / int(count), flush=True)
