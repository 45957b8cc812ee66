#include "clients.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "librdkafka contestant: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[512];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
        die("%s=%s: %s", name, value, reason);
}

static rd_kafka_t *new_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char reason[512];
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof(reason));
    if (!client)
        die("a client: %s", reason);
    return client;
}

static rd_kafka_conf_t *new_conf(const char *bootstrap, const char *group) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "client.id", group);
    return conf;
}

/* The values here and below are those of `settings.rs` in millstream-kafka, or librdkafka's defaults in both. */
rd_kafka_t *new_consumer(const char *bootstrap, const char *group, int partitions, int threads) {
    rd_kafka_conf_t *conf = new_conf(bootstrap, group);
    set(conf, "group.id", group);
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    set(conf, "isolation.level", "read_committed");
    set(conf, "fetch.queue.backoff.ms", "10");
    set(conf, "fetch.wait.max.ms", "100");
    /* Millstream reads each partition from a queue of its own, with these limits each: 20,000 messages, 4,096 KB. Here
     * the partitions of a thread share one queue, so it has their limits together. */
    int shared = (partitions + threads - 1) / threads;
    char number[16];
    snprintf(number, sizeof(number), "%d", shared * 20000);
    set(conf, "queued.min.messages", number);
    snprintf(number, sizeof(number), "%d", shared * 4096);
    set(conf, "queued.max.messages.kbytes", number);
    rd_kafka_t *consumer = new_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

rd_kafka_t *new_reader(const char *bootstrap, const char *group) {
    rd_kafka_conf_t *conf = new_conf(bootstrap, group);
    set(conf, "group.id", group);
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    set(conf, "isolation.level", "read_committed");
    set(conf, "fetch.queue.backoff.ms", "10");
    set(conf, "fetch.wait.max.ms", "100");
    rd_kafka_t *consumer = new_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

static void must(rd_kafka_error_t *error, const char *action) {
    if (error)
        die("%s: %s", action, rd_kafka_error_string(error));
}

static void delivered(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque) {
    (void)producer, (void)opaque;
    if (message->err)
        die("a record for %s[%d] was not delivered: %s", rd_kafka_topic_name(message->rkt), message->partition,
            rd_kafka_err2str(message->err));
}

rd_kafka_t *new_producer(const char *bootstrap, const char *group, int transactional) {
    rd_kafka_conf_t *conf = new_conf(bootstrap, group);
    if (transactional != NO_TRANSACTIONS) {
        char id[300];
        snprintf(id, sizeof(id), "%s-%d", group, transactional);
        set(conf, "transactional.id", id);
    }
    set(conf, "enable.idempotence", "true");
    set(conf, "delivery.report.only.error", "true");
    set(conf, "linger.ms", "5");
    set(conf, "queue.buffering.max.messages", "200000");
    set(conf, "queue.buffering.max.kbytes", "65536");
    set(conf, "message.timeout.ms", "30000");
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_t *producer = new_client(RD_KAFKA_PRODUCER, conf);
    if (transactional != NO_TRANSACTIONS) {
        must(rd_kafka_init_transactions(producer, 60000), "beginning with transactions");
        must(rd_kafka_begin_transaction(producer), "beginning a transaction");
    }
    return producer;
}

void end_transaction(rd_kafka_t *producer, rd_kafka_t *consumer, const rd_kafka_topic_partition_list_t *offsets) {
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(consumer);
    must(rd_kafka_send_offsets_to_transaction(producer, offsets, group, 60000), "positions of a transaction");
    rd_kafka_consumer_group_metadata_destroy(group);
    must(rd_kafka_commit_transaction(producer, 60000), "committing a transaction");
    must(rd_kafka_begin_transaction(producer), "beginning a transaction");
}

rd_kafka_topic_t *new_topic(rd_kafka_t *producer, const char *name) {
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, name, NULL);
    if (!topic)
        die("topic %s: %s", name, rd_kafka_err2str(rd_kafka_last_error()));
    return topic;
}

int32_t partitions_of(rd_kafka_t *client, const char *name) {
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, topic, &metadata, 30000);
    if (error)
        die("metadata of %s: %s", name, rd_kafka_err2str(error));
    if (metadata->topic_cnt != 1 || metadata->topics[0].err || metadata->topics[0].partition_cnt < 1)
        die("topic %s has no partitions; it must exist", name);
    int32_t partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return partitions;
}

void produce(rd_kafka_t *producer, rd_kafka_topic_t *topic, int32_t partition, int64_t timestamp, const void *key,
             size_t key_len, const void *value, size_t value_len) {
    for (;;) {
        rd_kafka_resp_err_t error = rd_kafka_producev(
            producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_KEY((void *)key, key_len),
            RD_KAFKA_V_VALUE((void *)value, value_len), RD_KAFKA_V_END);
        if (!error)
            return;
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("a record for %s[%d]: %s", rd_kafka_topic_name(topic), partition, rd_kafka_err2str(error));
        rd_kafka_poll(producer, 1);
    }
}
