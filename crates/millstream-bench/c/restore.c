/*
 * Reads every partition of a topic with librdkafka's batch calls, looks at each byte of each key and the length of each
 * value, and keeps nothing: no restore on librdkafka can be faster.
 *
 * Time runs from the assignment to the last record.
 */
#include "restore.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clients.h"

#define THREADS 2
#define BATCH 2048

typedef struct {
    int64_t position, end;
} partition_t;

typedef struct {
    int index;
    rd_kafka_queue_t *queue;
    partition_t *partitions; /* by number; partition p is thread p % THREADS's */
    int32_t partitions_len;
    int64_t records, bytes;
    uint64_t touched;
    double last; /* when the last record was read */
} reader_t;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool at_end(const reader_t *reader) {
    for (int32_t p = reader->index; p < reader->partitions_len; p += THREADS)
        if (reader->partitions[p].position < reader->partitions[p].end)
            return false;
    return true;
}

static void touch(reader_t *reader, rd_kafka_message_t *message) {
    if (message->err)
        die("reading: %s", rd_kafka_message_errstr(message));
    partition_t *partition = &reader->partitions[message->partition];
    if (message->offset < partition->end) {
        const unsigned char *key = message->key, *value = message->payload;
        for (size_t i = 0; i < message->key_len; i++)
            reader->touched += key[i];
        for (size_t i = 0; i < message->len; i++)
            reader->touched += value[i];
        reader->bytes += (int64_t)(message->key_len + message->len);
        reader->records++;
        partition->position = message->offset + 1;
    }
    rd_kafka_message_destroy(message);
}

static void *read_all(void *argument) {
    reader_t *reader = argument;
    rd_kafka_message_t *batch[BATCH];
    while (!at_end(reader)) {
        /* With a timeout the call would wait until the batch is full: so what is here, or else one, waited for. */
        ssize_t messages = rd_kafka_consume_batch_queue(reader->queue, 0, batch, BATCH);
        if (messages == 0)
            messages = rd_kafka_consume_batch_queue(reader->queue, 20, batch, 1);
        if (messages < 0)
            die("reading: %s", rd_kafka_err2str(rd_kafka_last_error()));
        for (ssize_t i = 0; i < messages; i++)
            touch(reader, batch[i]);
    }
    reader->last = now();
    return NULL;
}

static partition_t *find(rd_kafka_t *consumer, const char *changelog, int32_t partitions_len) {
    partition_t *partitions = calloc((size_t)partitions_len, sizeof(partition_t));
    if (!partitions)
        die("no memory for %d partitions", partitions_len);
    for (int32_t p = 0; p < partitions_len; p++) {
        partition_t *found = &partitions[p];
        rd_kafka_resp_err_t error =
            rd_kafka_query_watermark_offsets(consumer, changelog, p, &found->position, &found->end, 30000);
        if (error)
            die("offsets of %s[%d]: %s", changelog, p, rd_kafka_err2str(error));
    }
    return partitions;
}

void restore(const char *bootstrap, const char *group, const char *changelog) {
    rd_kafka_t *consumer = new_reader(bootstrap, group);
    int32_t partitions_len = partitions_of(consumer, changelog);
    partition_t *partitions = find(consumer, changelog, partitions_len);
    rd_kafka_topic_partition_list_t *assignment = rd_kafka_topic_partition_list_new(partitions_len);
    reader_t readers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        readers[i] = (reader_t){.index = i,
                                .queue = rd_kafka_queue_new(consumer),
                                .partitions = partitions,
                                .partitions_len = partitions_len};
    for (int32_t p = 0; p < partitions_len; p++) {
        /* Before the assignment, which would forward the partition to the consumer's own queue. */
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(consumer, changelog, p);
        if (!queue)
            die("%s[%d] has no queue", changelog, p);
        rd_kafka_queue_forward(queue, readers[p % THREADS].queue);
        rd_kafka_queue_destroy(queue);
        rd_kafka_topic_partition_list_add(assignment, changelog, p)->offset = partitions[p].position;
    }
    double start = now(), last = start;
    rd_kafka_resp_err_t error = rd_kafka_assign(consumer, assignment);
    if (error)
        die("assigning %s: %s", changelog, rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(assignment);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, read_all, &readers[i]) != 0)
            die("no thread");
    int64_t records = 0, bytes = 0;
    uint64_t touched = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        rd_kafka_queue_destroy(readers[i].queue);
        records += readers[i].records;
        bytes += readers[i].bytes;
        touched += readers[i].touched;
        if (readers[i].last > last)
            last = readers[i].last;
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    free(partitions);
    if (records > 0 && touched == 0)
        die("%lld bytes, and all of them 0", (long long)bytes);
    printf("{\"records\": %lld, \"seconds\": %.6f}\n", (long long)records, last - start);
    fflush(stdout);
}
