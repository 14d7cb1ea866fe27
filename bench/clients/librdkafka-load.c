/* A load client on librdkafka: produces or consumes a number of messages and prints one JSON object with the time
 * from the first call to the last delivery report or message. Built by the benchmark itself when a C compiler and
 * librdkafka's header are there. Usage: librdkafka-load produce|consume BROKERS TOPIC COUNT SIZE_BYTES [key=value ...] */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long delivered, failed;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
  (void)client;
  (void)opaque;
  if (message->err) failed++;
  else delivered++;
}

static void die(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void report(long count, long bytes, double took) {
  printf("{\"messages\":%ld,\"bytes\":%ld,\"failed\":%ld,\"seconds\":%.6f}\n", count, bytes, failed, took);
}

static void produce(rd_kafka_t *client, const char *topic_name, long count, size_t size) {
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, topic_name, NULL);
  char *payload = malloc(size);
  for (size_t at = 0; at < size; at++) payload[at] = (char)('a' + at % 26);
  /* One message first: the connection and the topic's metadata are not what is measured. */
  rd_kafka_produce(topic, 0, 0, payload, size, NULL, 0, NULL);
  rd_kafka_flush(client, 30000);
  if (delivered != 1) die("produce", "the first message was not acknowledged");
  delivered = 0;
  double start = seconds();
  for (long n = 0; n < count; n++) {
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, payload, size, NULL, 0, NULL) == -1) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        die("produce", rd_kafka_err2str(rd_kafka_last_error()));
      rd_kafka_poll(client, 10);
    }
    if ((n & 1023) == 0) rd_kafka_poll(client, 0);
  }
  while (delivered + failed < count) rd_kafka_poll(client, 100);
  report(delivered, delivered * (long)size, seconds() - start);
  rd_kafka_topic_destroy(topic);
}

static void consume(rd_kafka_t *client, const char *topic_name, long count) {
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, topic_name, NULL);
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
  const struct rd_kafka_metadata *metadata;
  rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, topic, &metadata, 30000);
  if (error) die("metadata", rd_kafka_err2str(error));
  int partitions = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_message_t **batch = malloc(10000 * sizeof *batch);
  double start = seconds();
  for (int p = 0; p < partitions; p++) rd_kafka_consume_start_queue(topic, p, RD_KAFKA_OFFSET_BEGINNING, queue);
  long messages = 0, bytes = 0;
  while (messages < count) {
    ssize_t got = rd_kafka_consume_batch_queue(queue, 1000, batch, 10000);
    if (got < 0) die("consume", strerror(errno));
    for (ssize_t n = 0; n < got; n++) {
      if (!batch[n]->err) {
        messages++;
        bytes += (long)batch[n]->len;
      }
      rd_kafka_message_destroy(batch[n]);
    }
  }
  report(messages, bytes, seconds() - start);
  for (int p = 0; p < partitions; p++) rd_kafka_consume_stop(topic, p);
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_destroy(topic);
}

int main(int argc, char **argv) {
  if (argc < 6) die("usage", "librdkafka-load produce|consume BROKERS TOPIC COUNT SIZE_BYTES [key=value ...]");
  int producing = strcmp(argv[1], "produce") == 0;
  char error[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", argv[2], NULL, 0);
  for (int n = 6; n < argc; n++) {
    char *equals = strchr(argv[n], '=');
    if (equals == NULL) die("option without =", argv[n]);
    *equals = 0;
    if (rd_kafka_conf_set(conf, argv[n], equals + 1, error, sizeof error) != RD_KAFKA_CONF_OK) die("option", error);
  }
  if (producing) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t *client = rd_kafka_new(producing ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, error, sizeof error);
  if (client == NULL) die("client", error);
  if (producing) produce(client, argv[3], atol(argv[4]), (size_t)atol(argv[5]));
  else consume(client, argv[3], atol(argv[4]));
  rd_kafka_destroy(client);
  return 0;
}
