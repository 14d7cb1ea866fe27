/* A load client on librdkafka. Built by the benchmarks themselves when a C compiler and librdkafka's header are there.
 *
 *   librdkafka-load produce|consume BROKERS TOPIC COUNT SIZE_BYTES [key=value ...]
 *   librdkafka-load create BROKERS TOPIC PARTITIONS
 *   librdkafka-load delete BROKERS TOPIC
 *
 * A COUNT above 0 is that many messages, from the first call to the last delivery report or message. With 0 the clock
 * counts: load.warmup=SECONDS are not measured, load.seconds=SECONDS are, or less when load.bytes=BYTES have gone before.
 * Keys that begin with "load." are this program's, all others are librdkafka's own.
 *
 *   load.rate=N           messages/s; a message counts as sent at the time at which it should have been. 0: all that goes
 *   load.partitions=N     produce: in turn into so many partitions; 0: where librdkafka's partitioner says
 *   load.from=beginning|end   consume: from where on
 *   load.loop=1           consume: from the beginning again at the end
 *
 * Latency of produce is the time until the delivery report, of consume the time since the producer's stamp, which is the
 * first eight bytes of each message. */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include "measure.h"

#define WAIT_MS 30000
/* A thousand partitions take their time where a disk is busy. */
#define ADMIN_WAIT_MS 120000

static long delivered, failed;
static volatile int is_measuring, is_done;
static histogram_t latencies;

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
  (void)client;
  (void)opaque;
  if (message->err) failed++;
  else {
    delivered++;
    if (is_measuring) histogram_add(&latencies, (now_ns() - (int64_t)(intptr_t)message->_private) / 1000);
  }
}

static struct {
  long count, rate, bytes;
  size_t size;
  double warmup, seconds;
  int partitions, from_end, loops;
} load;

static void *poll_forever(void *client) {
  while (!is_done) rd_kafka_poll(client, 50);
  return NULL;
}

/* The steps of a load by the clock: warming up, measuring, and then the end. */
static struct {
  window_t window;
  int64_t began_ns;
  long messages_before, failed_before;
} course;

/* Goes to the next step when it is time; tells whether the end is there. */
static int course_ended(long messages) {
  double elapsed = (double)(now_ns() - course.began_ns) / 1e9;
  int is_warm = elapsed >= load.warmup || (load.bytes > 0 && messages * (long)load.size >= load.bytes / 3);
  if (!is_measuring && is_warm) {
    load.warmup = elapsed;
    course.messages_before = messages;
    course.failed_before = failed;
    memset(&latencies, 0, sizeof latencies);
    course.window = window_begin();
    is_measuring = 1;
  }
  if (!is_measuring) return 0;
  long done = messages - course.messages_before;
  return elapsed >= load.warmup + load.seconds || (load.bytes > 0 && done * (long)load.size >= load.bytes);
}

static void course_report(long messages) {
  long done = messages - course.messages_before;
  window_end(&course.window, done, done * (long)load.size, failed - course.failed_before, &latencies);
}

static void produce_one(rd_kafka_t *client, rd_kafka_topic_t *topic, char *payload, long n, int64_t stamp) {
  int32_t partition = load.partitions > 0 ? (int32_t)(n % load.partitions) : RD_KAFKA_PARTITION_UA;
  if (load.size >= sizeof stamp) memcpy(payload, &stamp, sizeof stamp);
  while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, payload, load.size, NULL, 0,
                          (void *)(intptr_t)stamp) == -1) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
      die("produce", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(client, 10);
    if (load.count == 0 && course_ended(delivered)) return;
  }
}

static void produce_at_full_speed(rd_kafka_t *client, rd_kafka_topic_t *topic, char *payload) {
  for (long n = 0; load.count == 0 || n < load.count; n++) {
    if (load.count == 0 && (n & 255) == 0 && course_ended(delivered)) break;
    produce_one(client, topic, payload, n, now_ns());
    if ((n & 1023) == 0) rd_kafka_poll(client, 0);
  }
}

static void produce_at_rate(rd_kafka_t *client, rd_kafka_topic_t *topic, char *payload) {
  pthread_t poller;
  pthread_create(&poller, NULL, poll_forever, client);
  double ns_each = 1e9 / (double)load.rate;
  long n = 0;
  while (!course_ended(delivered)) {
    double due = (double)(now_ns() - course.began_ns) / ns_each;
    for (; (double)n < due; n++) produce_one(client, topic, payload, n, course.began_ns + (int64_t)((double)n * ns_each));
    struct timespec nap = {0, 100000};
    nanosleep(&nap, NULL);
  }
  course_report(delivered);
  is_done = 1;
  pthread_join(poller, NULL);
}

static void produce(rd_kafka_t *client, const char *topic_name) {
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, topic_name, NULL);
  char *payload = malloc(load.size);
  for (size_t at = 0; at < load.size; at++) payload[at] = (char)('a' + at % 26);
  /* One message first: the connection and the topic's metadata are not what is measured. */
  int64_t first = now_ns();
  if (load.size >= sizeof first) memcpy(payload, &first, sizeof first);
  rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, payload, load.size, NULL, 0, NULL);
  rd_kafka_flush(client, WAIT_MS);
  if (delivered + failed < 1) die("produce", "the first message was not acknowledged");
  delivered = 0;
  course.began_ns = now_ns();
  if (load.count > 0) {
    course.window = window_begin();
    is_measuring = 1;
  }
  if (load.rate > 0) produce_at_rate(client, topic, payload);
  else {
    produce_at_full_speed(client, topic, payload);
    while (load.count > 0 && delivered + failed < load.count) rd_kafka_poll(client, 100);
    course_report(delivered);
  }
  rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_topic_destroy(topic);
}

static void consume(rd_kafka_t *client, const char *topic_name) {
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, topic_name, NULL);
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
  const struct rd_kafka_metadata *metadata;
  rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, topic, &metadata, WAIT_MS);
  if (error) die("metadata", rd_kafka_err2str(error));
  int partitions = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_message_t **batch = malloc(10000 * sizeof *batch);
  course.began_ns = now_ns();
  if (load.count > 0) {
    course.window = window_begin();
    is_measuring = 1;
  }
  int64_t start = load.from_end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
  for (int p = 0; p < partitions; p++) rd_kafka_consume_start_queue(topic, p, start, queue);
  long messages = 0;
  while (load.count > 0 ? messages < load.count : !course_ended(messages)) {
    ssize_t got = rd_kafka_consume_batch_queue(queue, 100, batch, 10000);
    if (got < 0) die("consume", strerror(errno));
    int64_t now = now_ns();
    for (ssize_t n = 0; n < got; n++) {
      if (!batch[n]->err) {
        messages++;
        int64_t stamp;
        if (is_measuring && load.from_end && batch[n]->len >= sizeof stamp) {
          memcpy(&stamp, batch[n]->payload, sizeof stamp);
          histogram_add(&latencies, (now - stamp) / 1000);
        }
      } else if (batch[n]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) failed++;
      else if (load.loops) rd_kafka_seek(topic, batch[n]->partition, RD_KAFKA_OFFSET_BEGINNING, 0);
      rd_kafka_message_destroy(batch[n]);
    }
  }
  course_report(messages);
  for (int p = 0; p < partitions; p++) rd_kafka_consume_stop(topic, p);
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_destroy(topic);
}

static void wait_for_topics(rd_kafka_queue_t *queue, const char *what) {
  rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_WAIT_MS);
  if (event == NULL) die(what, "no answer");
  if (rd_kafka_event_error(event)) die(what, rd_kafka_event_error_string(event));
  size_t count = 0;
  const rd_kafka_topic_result_t **results =
      rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT
          ? rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
          : rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
  for (size_t n = 0; n < count; n++)
    if (rd_kafka_topic_result_error(results[n])) die(what, rd_kafka_err2str(rd_kafka_topic_result_error(results[n])));
  rd_kafka_event_destroy(event);
}

/* Waits until each partition of a topic has a leader. */
static void wait_for_leaders(rd_kafka_t *client, const char *name, int partitions) {
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
  for (int attempt = 0; attempt < ADMIN_WAIT_MS / 100; attempt++) {
    const struct rd_kafka_metadata *metadata;
    int led = 0;
    if (rd_kafka_metadata(client, 0, topic, &metadata, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      for (int p = 0; p < metadata->topics[0].partition_cnt; p++) led += metadata->topics[0].partitions[p].leader >= 0;
      rd_kafka_metadata_destroy(metadata);
    }
    if (led >= partitions) {
      rd_kafka_topic_destroy(topic);
      return;
    }
    usleep(100000);
  }
  die("create", "not every partition has a leader");
}

static void create_topic(rd_kafka_t *client, const char *name, int partitions) {
  char error[512];
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
  rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, error, sizeof error);
  if (topic == NULL) die("create", error);
  rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
  wait_for_topics(queue, "create");
  rd_kafka_NewTopic_destroy(topic);
  rd_kafka_queue_destroy(queue);
  wait_for_leaders(client, name, partitions);
}

static void delete_topic(rd_kafka_t *client, const char *name) {
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
  rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
  rd_kafka_DeleteTopics(client, &topic, 1, NULL, queue);
  wait_for_topics(queue, "delete");
  rd_kafka_DeleteTopic_destroy(topic);
  rd_kafka_queue_destroy(queue);
}

int main(int argc, char **argv) {
  if (argc < 4) die("usage", "librdkafka-load produce|consume|create|delete BROKERS TOPIC ...: see the source");
  const char *mode = argv[1];
  int loads = strcmp(mode, "produce") == 0 || strcmp(mode, "consume") == 0;
  if (loads && argc < 6) die("usage", "librdkafka-load produce|consume BROKERS TOPIC COUNT SIZE_BYTES [key=value ...]");
  char error[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", argv[2], NULL, 0);
  if (loads) {
    load.count = atol(argv[4]);
    load.size = (size_t)atol(argv[5]);
    load.rate = atol(option(argc, argv, "load.rate", "0"));
    load.bytes = atol(option(argc, argv, "load.bytes", "0"));
    load.warmup = atof(option(argc, argv, "load.warmup", "0"));
    load.seconds = atof(option(argc, argv, "load.seconds", "1"));
    load.partitions = atoi(option(argc, argv, "load.partitions", "0"));
    load.from_end = strcmp(option(argc, argv, "load.from", "beginning"), "end") == 0;
    load.loops = atoi(option(argc, argv, "load.loop", "0"));
    if (load.loops) rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
  }
  for (int n = 6; loads && n < argc; n++) {
    char *equals = strchr(argv[n], '=');
    if (equals == NULL) die("option without =", argv[n]);
    if (strncmp(argv[n], "load.", 5) == 0) continue;
    *equals = 0;
    if (rd_kafka_conf_set(conf, argv[n], equals + 1, error, sizeof error) != RD_KAFKA_CONF_OK) die("option", error);
  }
  if (!loads) rd_kafka_conf_set(conf, "socket.timeout.ms", "120000", NULL, 0);
  int consumes = strcmp(mode, "consume") == 0;
  if (strcmp(mode, "produce") == 0) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t *client = rd_kafka_new(consumes ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (client == NULL) die("client", error);
  if (consumes) consume(client, argv[3]);
  else if (loads) produce(client, argv[3]);
  else if (strcmp(mode, "create") == 0) create_topic(client, argv[3], argc > 4 ? atoi(argv[4]) : 1);
  else delete_topic(client, argv[3]);
  fflush(stdout);
  /* What librdkafka would still do to leave is not worth waiting for. */
  if (loads && load.count == 0) _exit(0);
  rd_kafka_destroy(client);
  return 0;
}
