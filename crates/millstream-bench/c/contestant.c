/*
 * Workloads written by hand on librdkafka: the limit of what a program on librdkafka can do.
 *
 *   contestant bounded WORKLOAD BOOTSTRAP GROUP GUARANTEE COMMIT_INTERVAL_MS CHANGELOG OUTPUT INPUT...
 *
 * WORKLOAD is pass-through, filter, count (of any keys: count-zipf) or restore.
 *
 * One consumer with all partitions of INPUT from their beginning, and two threads. Each has its share of the partitions
 * forwarded to a queue of its own, from which it takes up to 2,048 messages at once, and a producer of its own. Once a
 * commit interval each thread writes what changed to CHANGELOG, flushes, and commits its positions; with exactly-once all
 * that is one transaction.
 *
 * After all records that INPUT had at the start it closes everything, writes one line to standard output,
 *   {"records": N, "seconds": S}
 * where S is the time from the first batch taken to the last commit confirmed, and ends when its standard input does.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clients.h"
#include "counts.h"
#include "filter.h"
#include "partition.h"
#include "restore.h"

#define THREADS 2
#define BATCH 2048

typedef struct {
    int32_t number;
    int64_t position; /* the offset to read next */
    int64_t committed;
    int64_t end;
    counts_t counts;
} partition_t;

typedef struct {
    rd_kafka_t *consumer;
    const char *bootstrap, *group, *input, *output, *changelog;
    bool counting, filtering, exactly_once;
    double commit_interval; /* s */
    partition_t *partitions; /* by number; partition p is thread p % THREADS's */
    int32_t partitions_len, output_partitions;
    atomic_int running;
} job_t;

typedef struct {
    job_t *job;
    int index;
    rd_kafka_queue_t *queue;
    rd_kafka_t *producer;
    rd_kafka_topic_t *output, *changelog;
    int64_t records;
    double first, last; /* when the first batch was taken, and the last commit confirmed */
} worker_t;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void big_endian(uint64_t number, unsigned char bytes[8]) {
    for (int i = 7; i >= 0; i--, number >>= 8)
        bytes[i] = (unsigned char)number;
}

/* Key, value and timestamp as they are, to the same partition. */
static void pass(worker_t *worker, const rd_kafka_message_t *message) {
    produce(worker->producer, worker->output, message->partition, rd_kafka_message_timestamp(message, NULL),
            message->key, message->key_len, message->payload, message->len);
}

/* The key with its new count. */
static void count(worker_t *worker, partition_t *partition, const rd_kafka_message_t *message) {
    const row_t *row = counts_add(&partition->counts, message->key, message->key_len,
                                  rd_kafka_message_timestamp(message, NULL));
    unsigned char value[8];
    big_endian(row->count, value);
    produce(worker->producer, worker->output,
            partition_of(message->key, message->key_len, worker->job->output_partitions), row->timestamp, message->key,
            message->key_len, value, sizeof(value));
}

/* The bid's auction and price, if it is dear. */
static void filter(worker_t *worker, const rd_kafka_message_t *message) {
    char projected[64];
    size_t len = filter_bid(message->payload, message->len, projected, sizeof(projected));
    if (len > 0)
        produce(worker->producer, worker->output,
                partition_of(message->key, message->key_len, worker->job->output_partitions),
                rd_kafka_message_timestamp(message, NULL), message->key, message->key_len, projected, len);
}

static void process(worker_t *worker, rd_kafka_message_t *message) {
    if (message->err)
        die("reading: %s", rd_kafka_message_errstr(message));
    partition_t *partition = &worker->job->partitions[message->partition];
    if (message->offset < partition->end) {
        if (worker->job->counting)
            count(worker, partition, message);
        else if (worker->job->filtering)
            filter(worker, message);
        else
            pass(worker, message);
        worker->records++;
        partition->position = message->offset + 1;
    }
    rd_kafka_message_destroy(message);
}

/* Each count that changed goes once to the partition of the changelog that has the number of its input. */
static void write_changes(worker_t *worker, partition_t *partition) {
    counts_t *counts = &partition->counts;
    for (size_t i = 0; i < counts->dirty_len; i++) {
        row_t *row = &counts->rows[counts->dirty[i]];
        unsigned char value[8];
        big_endian(row->count, value);
        produce(worker->producer, worker->changelog, partition->number, row->timestamp, counts->keys + row->key,
                row->key_len, value, sizeof(value));
        row->dirty = false;
    }
    counts->dirty_len = 0;
}

static void commit(worker_t *worker) {
    job_t *job = worker->job;
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(job->partitions_len);
    for (int32_t p = worker->index; p < job->partitions_len; p += THREADS) {
        partition_t *partition = &job->partitions[p];
        if (partition->position == partition->committed)
            continue;
        if (job->counting)
            write_changes(worker, partition);
        rd_kafka_topic_partition_list_add(offsets, job->input, p)->offset = partition->position;
        partition->committed = partition->position;
    }
    if (job->exactly_once) {
        if (offsets->cnt > 0)
            end_transaction(worker->producer, job->consumer, offsets);
    } else {
        rd_kafka_resp_err_t error = rd_kafka_flush(worker->producer, 60000);
        if (error)
            die("flushing %d records: %s", rd_kafka_outq_len(worker->producer), rd_kafka_err2str(error));
        if (offsets->cnt > 0)
            error = rd_kafka_commit(job->consumer, offsets, 0);
        if (error)
            die("committing positions: %s", rd_kafka_err2str(error));
    }
    rd_kafka_topic_partition_list_destroy(offsets);
    worker->last = now();
}

static bool at_end(const worker_t *worker) {
    for (int32_t p = worker->index; p < worker->job->partitions_len; p += THREADS)
        if (worker->job->partitions[p].position < worker->job->partitions[p].end)
            return false;
    return true;
}

static void *work(void *argument) {
    worker_t *worker = argument;
    rd_kafka_message_t *batch[BATCH];
    double commit_at = now() + worker->job->commit_interval;
    while (!at_end(worker)) {
        /* With a timeout the call would wait until the batch is full: so what is here, or else one, waited for. */
        ssize_t messages = rd_kafka_consume_batch_queue(worker->queue, 0, batch, BATCH);
        if (messages == 0)
            messages = rd_kafka_consume_batch_queue(worker->queue, 20, batch, 1);
        if (messages < 0)
            die("reading: %s", rd_kafka_err2str(rd_kafka_last_error()));
        if (worker->first == 0 && messages > 0)
            worker->first = now();
        for (ssize_t i = 0; i < messages; i++)
            process(worker, batch[i]);
        rd_kafka_poll(worker->producer, 0);
        if (now() >= commit_at) {
            commit(worker);
            commit_at = now() + worker->job->commit_interval;
        }
    }
    commit(worker);
    atomic_fetch_sub(&worker->job->running, 1);
    return NULL;
}

static void find_partitions(job_t *job) {
    job->partitions_len = partitions_of(job->consumer, job->input);
    job->output_partitions = partitions_of(job->consumer, job->output);
    job->partitions = calloc((size_t)job->partitions_len, sizeof(partition_t));
    if (!job->partitions)
        die("no memory for %d partitions", job->partitions_len);
    for (int32_t p = 0; p < job->partitions_len; p++) {
        int64_t begin, end;
        rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(job->consumer, job->input, p, &begin, &end, 30000);
        if (error)
            die("offsets of %s[%d]: %s", job->input, p, rd_kafka_err2str(error));
        job->partitions[p] = (partition_t){.number = p, .position = begin, .committed = begin, .end = end};
        counts_init(&job->partitions[p].counts);
    }
}

static void start(job_t *job, worker_t *workers, pthread_t *threads) {
    rd_kafka_topic_partition_list_t *assignment = rd_kafka_topic_partition_list_new(job->partitions_len);
    for (int i = 0; i < THREADS; i++) {
        rd_kafka_t *producer = new_producer(job->bootstrap, job->group, job->exactly_once ? i : NO_TRANSACTIONS);
        workers[i] = (worker_t){.job = job, .index = i, .queue = rd_kafka_queue_new(job->consumer), .producer = producer};
        workers[i].output = new_topic(producer, job->output);
        workers[i].changelog = job->counting ? new_topic(producer, job->changelog) : NULL;
    }
    for (int32_t p = 0; p < job->partitions_len; p++) {
        /* Before the assignment, which would forward the partition to the consumer's own queue. */
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(job->consumer, job->input, p);
        if (!queue)
            die("%s[%d] has no queue", job->input, p);
        rd_kafka_queue_forward(queue, workers[p % THREADS].queue);
        rd_kafka_queue_destroy(queue);
        rd_kafka_topic_partition_list_add(assignment, job->input, p)->offset = job->partitions[p].position;
    }
    rd_kafka_resp_err_t error = rd_kafka_assign(job->consumer, assignment);
    if (error)
        die("assigning %s: %s", job->input, rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(assignment);
    atomic_store(&job->running, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            die("no thread");
}

static void finish(job_t *job, worker_t *workers, pthread_t *threads) {
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (workers[i].changelog)
            rd_kafka_topic_destroy(workers[i].changelog);
        rd_kafka_topic_destroy(workers[i].output);
        rd_kafka_destroy(workers[i].producer);
        rd_kafka_queue_destroy(workers[i].queue);
    }
    rd_kafka_consumer_close(job->consumer);
    rd_kafka_destroy(job->consumer);
    for (int32_t p = 0; p < job->partitions_len; p++)
        counts_destroy(&job->partitions[p].counts);
    free(job->partitions);
}

static void report(const worker_t *workers) {
    int64_t records = 0;
    double first = 0, last = 0;
    for (int i = 0; i < THREADS; i++) {
        if (workers[i].records == 0)
            continue;
        if (records == 0 || workers[i].first < first)
            first = workers[i].first;
        if (workers[i].last > last)
            last = workers[i].last;
        records += workers[i].records;
    }
    printf("{\"records\": %lld, \"seconds\": %.6f}\n", (long long)records, last - first);
    fflush(stdout);
}

static void work_through(const char *workload, job_t *job) {
    job->counting = strncmp(workload, "count", 5) == 0;
    job->filtering = strcmp(workload, "filter") == 0;
    rd_kafka_t *probe = new_producer(job->bootstrap, job->group, NO_TRANSACTIONS);
    int32_t partitions = partitions_of(probe, job->input);
    rd_kafka_destroy(probe);
    job->consumer = new_consumer(job->bootstrap, job->group, partitions, THREADS);
    find_partitions(job);
    worker_t workers[THREADS];
    pthread_t threads[THREADS];
    start(job, workers, threads);
    /* The consumer's own queue carries no record, but must be served. */
    while (atomic_load(&job->running) > 0) {
        rd_kafka_message_t *event = rd_kafka_consumer_poll(job->consumer, 50);
        if (event) {
            fprintf(stderr, "librdkafka contestant: %s\n", rd_kafka_message_errstr(event));
            rd_kafka_message_destroy(event);
        }
    }
    finish(job, workers, threads);
    report(workers);
}

static bool is_one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

int main(int argc, char **argv) {
    static const char *const WORKLOADS[] = {"pass-through", "filter", "count", "count-zipf", "restore", NULL};
    if (argc < 10 || strcmp(argv[1], "bounded") != 0 || !is_one_of(argv[2], WORKLOADS))
        die("expected: bounded pass-through|filter|count|count-zipf|restore BOOTSTRAP GROUP GUARANTEE "
            "COMMIT_INTERVAL_MS CHANGELOG OUTPUT INPUT...");
    job_t job = {.bootstrap = argv[3],
                 .group = argv[4],
                 .exactly_once = strcmp(argv[5], "exactly-once") == 0,
                 .commit_interval = atof(argv[6]) / 1000,
                 .changelog = argv[7],
                 .output = argv[8],
                 .input = argv[9]};
    if (strcmp(argv[2], "restore") == 0)
        restore(job.bootstrap, job.group, job.changelog);
    else
        work_through(argv[2], &job);
    /* Meanwhile its processor time and memory are read. */
    while (getchar() != EOF) {
    }
    return 0;
}
