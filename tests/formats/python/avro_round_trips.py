"""Avro by fastavro: the job is JSON on the standard input, the answer JSON on the standard output.

A job of "read_and_write" has schemas, and for each one bytes: what was read of them is written again. Schemas for which it says so
get a value by chance, too. A job of "compare" has schemas with pairs of bytes: which pairs are not of one value is the answer."""

import base64
import io
import json
import random
import sys

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.utils import generate_one


def parsed(schema):
    return parse_schema(json.loads(schema), named_schemas={})


def read(schema, text):
    data = io.BytesIO(base64.b64decode(text))
    value = schemaless_reader(data, schema, None, return_record_name=True)
    assert not data.read(), "bytes are left"
    return value


def write(schema, value):
    out = io.BytesIO()
    schemaless_writer(out, schema, value)
    return base64.b64encode(out.getvalue()).decode()


def read_and_write(job):
    random.seed(job["seed"])
    answer = []
    for case in job["cases"]:
        schema = parsed(case["schema"])
        try:
            back = write(schema, read(schema, case["bytes"]))
            chosen = write(schema, generate_one(schema)) if case["generate"] else None
        except Exception as error:
            sys.exit(f"{case['schema']} {base64.b64decode(case['bytes'])}: {error!r}")
        answer.append({"back": back, "chosen": chosen})
    return answer


def compare(job):
    different = []
    for number, case in enumerate(job["cases"]):
        schema = parsed(case["schema"])
        if read(schema, case["ours"]) != read(schema, case["theirs"]):
            different.append(number)
    return different


def main():
    job = json.load(sys.stdin)
    json.dump({"read_and_write": read_and_write, "compare": compare}[job["do"]](job), sys.stdout)


main()
