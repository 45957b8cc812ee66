"""Writes or reads records of one topic with the serdes of Confluent's Python client: the job is JSON on the standard input, what
was read is a JSON list on the standard output."""

import base64
import json
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

LIMIT_S = 60


def message_class(job):
    files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(job["descriptors"]))
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(job["message"]))


def registered_schema(job, kind):
    references = [SchemaReference(*reference) for reference in job.get("references", [])]
    return Schema(job["schema"], kind, references)


def serializer(job, registry):
    """From a value as JSON has it to bytes."""
    if job["format"] == "protobuf":
        made = message_class(job)
        serialize = ProtobufSerializer(made, registry, {"use.deprecated.format": False})
        return lambda value, context: serialize(json_format.ParseDict(value, made()), context)
    if job["format"] == "json":
        return JSONSerializer(registered_schema(job, "JSON"), registry)
    return AvroSerializer(registry, registered_schema(job, "AVRO"))


def deserializer(job, registry):
    """From bytes to a value as JSON has it."""
    if job["format"] == "protobuf":
        # Given a registry, it asks for schemas as descriptors, a parameter that Apicurio does not know.
        deserialize = ProtobufDeserializer(message_class(job), {"use.deprecated.format": False})
        return lambda data, context: json_format.MessageToDict(
            deserialize(data, context), preserving_proto_field_name=True
        )
    if job["format"] == "json":
        return JSONDeserializer(registered_schema(job, "JSON"), schema_registry_client=registry)
    return AvroDeserializer(registry)


def write(job, registry, context):
    producer = Producer({"bootstrap.servers": job["kafka"]})
    serialize = serializer(job, registry)
    for number, value in enumerate(job["values"]):
        producer.produce(job["topic"], key=str(number), value=serialize(value, context))
    if producer.flush(LIMIT_S):
        sys.exit("not all records were taken")


def read(job, registry, context):
    consumer = Consumer({"bootstrap.servers": job["kafka"], "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(job["topic"], 0, 0)])
    deserialize, values, end = deserializer(job, registry), [], time.monotonic() + LIMIT_S
    while len(values) < job["count"]:
        record = consumer.poll(1.0)
        if record is None:
            if time.monotonic() > end:
                sys.exit(f"{len(values)} records within {LIMIT_S} s, not {job['count']}")
        elif record.error():
            sys.exit(str(record.error()))
        else:
            values.append(deserialize(record.value(), context))
    consumer.close()
    return values


def main():
    job = json.load(sys.stdin)
    registry = SchemaRegistryClient({"url": job["registry"]})
    context = SerializationContext(job["topic"], MessageField.VALUE)
    done = {"write": write, "read": read}[job["do"]](job, registry, context)
    json.dump(done or [], sys.stdout)


main()
