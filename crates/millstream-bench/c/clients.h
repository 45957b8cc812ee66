/* librdkafka's clients, with the settings that Millstream gives them. Every call ends the program when it fails. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <stdint.h>

#include "rdkafka.h"

/* Writes a message to standard error and ends the program. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A consumer in `group`, for `threads` threads to which the `partitions` partitions are dealt out. */
rd_kafka_t *new_consumer(const char *bootstrap, const char *group, int partitions, int threads);
/* A consumer that reads whole topics, in no group, as Millstream reads changelogs. */
rd_kafka_t *new_reader(const char *bootstrap, const char *group);
#define NO_TRANSACTIONS (-1)
/* A producer; with a number other than NO_TRANSACTIONS it is the group's transactional producer of that number, and has begun
 * its first transaction. */
rd_kafka_t *new_producer(const char *bootstrap, const char *group, int transactional);
/* Commits a transaction with the group's positions, and begins the next one. */
void end_transaction(rd_kafka_t *producer, rd_kafka_t *consumer, const rd_kafka_topic_partition_list_t *offsets);
rd_kafka_topic_t *new_topic(rd_kafka_t *producer, const char *name);
int32_t partitions_of(rd_kafka_t *client, const char *topic);

/* Copies a record into the producer's queue; waits while that is full. */
void produce(rd_kafka_t *producer, rd_kafka_topic_t *topic, int32_t partition, int64_t timestamp, const void *key,
             size_t key_len, const void *value, size_t value_len);

#endif
