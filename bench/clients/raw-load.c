/* A load client that speaks the protocol itself and does nothing else: requests made beforehand, many in flight on each
 * of a few connections, one thread. For what a client library cannot ask of a broker before it is busy itself.
 *
 *   raw-load produce PORT TOPIC key=value ...     Produce 7 with the batch of a file, again and again
 *   raw-load fetch PORT TOPIC key=value ...       Fetch 4, reading on behind the last batch of each answer
 *
 *   batch=FILE records=N      produce: one batch as it goes into a request, and how many records it holds
 *   bytes_each=N              what counts as the bytes of one record
 *   acks=0|1|-1               produce
 *   partitions=N              of the topic; a connection uses every Nth request for another one, a fetch names its share
 *   connections=N inflight=N  unanswered requests of each connection
 *   rate=N                    produce: requests/s of all connections together; 0: all that goes
 *   max_bytes=N               fetch: of an answer
 *   warmup=S seconds=S limit=BYTES   not measured, then measured, or less when so many bytes have gone before; a third of
 *                             them ends the warm-up
 *
 * Latency is from when a request should have been sent to its answer. See measure.h for what is printed. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "measure.h"

#define PARTS_MAX 512
#define SMALL_BYTES 16384

static struct {
  int is_fetch, port, acks, partitions, connections, inflight;
  const char *topic;
  long rate, max_bytes, records, bytes_each, limit;
  double warmup, seconds;
  char *batch;
  uint32_t batch_bytes;
} load;

typedef struct {
  int fd, events;
  /* Requests: `begun` were made, `sent` have left whole, `answered` were answered; ring of `inflight` in each array. */
  int64_t begun, sent, answered;
  int64_t *due_ns;
  uint32_t *head_bytes;
  char *heads;
  uint32_t head_room;
  size_t sent_of_first;
  /* The answer that is being received. */
  char *answer;
  size_t answer_bytes, answer_room;
  /* Partitions that a fetch names, and where it is in them. */
  int first_partition, partition_count;
  int64_t *offsets;
  int64_t next;
} connection_t;

static histogram_t latencies;
static int is_measuring;
static int64_t messages, bytes, failed;

static char *put16(char *at, int16_t value) { uint16_t v = htobe16((uint16_t)value); memcpy(at, &v, 2); return at + 2; }
static char *put32(char *at, int32_t value) { uint32_t v = htobe32((uint32_t)value); memcpy(at, &v, 4); return at + 4; }
static char *put64(char *at, int64_t value) { uint64_t v = htobe64((uint64_t)value); memcpy(at, &v, 8); return at + 8; }
static char *put_text(char *at, const char *text) {
  size_t length = strlen(text);
  at = put16(at, (int16_t)length);
  memcpy(at, text, length);
  return at + length;
}
static int16_t get16(const char *at) { uint16_t v; memcpy(&v, at, 2); return (int16_t)be16toh(v); }
static int32_t get32(const char *at) { uint32_t v; memcpy(&v, at, 4); return (int32_t)be32toh(v); }
static int64_t get64(const char *at) { uint64_t v; memcpy(&v, at, 8); return (int64_t)be64toh(v); }

/* Size, key, version, correlation id, client id. */
static char *put_header(char *at, int16_t key, int16_t version, int64_t id) {
  at = put16(put16(at + 4, key), version);
  return put_text(put32(at, (int32_t)id), "raw-load");
}

static void begin_request(connection_t *c, int64_t due) {
  size_t slot = (size_t)(c->begun % load.inflight);
  char *start = c->heads + slot * c->head_room, *at;
  size_t behind = 0;
  if (load.is_fetch) {
    at = put_header(start, 1, 4, c->begun);
    at = put32(put32(put32(put32(at, -1), 500), 1), (int32_t)load.max_bytes);
    *at++ = 0;
    at = put32(put_text(put32(at, 1), load.topic), c->partition_count);
    /* Turning, so that every partition is the first one now and then. */
    for (int n = 0; n < c->partition_count; n++) {
      int which = (int)((c->next + n) % c->partition_count);
      at = put32(put64(put32(at, c->first_partition + which), c->offsets[which]), (int32_t)load.max_bytes);
    }
  } else {
    at = put_header(start, 0, 7, c->begun);
    at = put32(put16(put16(at, -1), (int16_t)load.acks), 30000);
    at = put32(put_text(put32(at, 1), load.topic), 1);
    at = put32(put32(at, (int32_t)(c->next % load.partitions)), (int32_t)load.batch_bytes);
    behind = load.batch_bytes;
    if (load.batch_bytes <= SMALL_BYTES) {
      memcpy(at, load.batch, load.batch_bytes);
      at += load.batch_bytes;
      behind = 0;
    }
  }
  c->next++;
  put32(start, (int32_t)((size_t)(at - start) + behind - 4));
  c->head_bytes[slot] = (uint32_t)(at - start);
  c->due_ns[slot] = due;
  c->begun++;
}

static void count(int64_t records, int64_t size) {
  messages += records;
  bytes += size;
}

static void completed(connection_t *c) {
  if (is_measuring) histogram_add(&latencies, (now_ns() - c->due_ns[c->answered % load.inflight]) / 1000);
  c->answered++;
}

static void watch(int epoll, connection_t *c, int events) {
  if (c->events == events) return;
  struct epoll_event event = {.events = (uint32_t)events, .data.ptr = c};
  epoll_ctl(epoll, c->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &event);
  c->events = events;
}

/* Sends what is begun; without answers (acks 0) what has left is done. */
static void send_begun(int epoll, connection_t *c) {
  int big = !load.is_fetch && load.batch_bytes > SMALL_BYTES;
  while (c->sent < c->begun) {
    struct iovec parts[PARTS_MAX];
    int part = 0;
    size_t skip = c->sent_of_first;
    for (int64_t n = c->sent; n < c->begun && part + 2 <= PARTS_MAX; n++) {
      size_t slot = (size_t)(n % load.inflight);
      char *head = c->heads + slot * c->head_room;
      size_t head_bytes = c->head_bytes[slot], skipped = skip < head_bytes ? skip : head_bytes;
      if (skipped < head_bytes) parts[part++] = (struct iovec){head + skipped, head_bytes - skipped};
      skip -= skipped;
      if (big) parts[part++] = (struct iovec){load.batch + skip, load.batch_bytes - skip};
      skip = 0;
    }
    ssize_t left = writev(c->fd, parts, part);
    if (left < 0) {
      if (errno != EAGAIN) die("send", strerror(errno));
      watch(epoll, c, EPOLLIN | EPOLLOUT);
      return;
    }
    c->sent_of_first += (size_t)left;
    while (c->sent < c->begun) {
      size_t whole = c->head_bytes[c->sent % load.inflight] + (big ? load.batch_bytes : 0);
      if (c->sent_of_first < whole) break;
      c->sent_of_first -= whole;
      c->sent++;
      if (!load.is_fetch && load.acks == 0) {
        completed(c);
        count(load.records, load.records * load.bytes_each);
      }
    }
  }
  watch(epoll, c, EPOLLIN);
}

/* correlation id, responses[topic, partitions[index, error, base offset, append time, log start]], throttle time */
static void take_produced(const char *at) {
  at += 4 + 4;
  at += 2 + get16(at) + 4 + 4;
  if (get16(at) != 0) {
    failed++;
    return;
  }
  count(load.records, load.records * load.bytes_each);
}

/* correlation id, throttle time, topics[topic, partitions[index, error, high watermark, last stable, aborted, records]] */
static void take_fetched(connection_t *c, const char *at) {
  at += 4 + 4;
  int topics = get32(at);
  at += 4;
  for (int t = 0; t < topics; t++) {
    at += 2 + get16(at);
    int partitions = get32(at);
    at += 4;
    for (int p = 0; p < partitions; p++) {
      int index = get32(at);
      int16_t error = get16(at + 4);
      int64_t high_watermark = get64(at + 6);
      at += 22;
      int aborted = get32(at);
      at += 4 + (aborted > 0 ? aborted * 16 : 0);
      int32_t size = get32(at);
      const char *batch = at += 4, *end = at + (size > 0 ? size : 0);
      int64_t *offset = &c->offsets[index - c->first_partition];
      if (error != 0) failed++;
      for (; batch + 61 <= end; batch += 12 + get32(batch + 8)) {
        if (batch + 12 + get32(batch + 8) > end) break; /* Cut short. */
        int32_t delta = get32(batch + 23);
        count(delta + 1, (delta + 1) * load.bytes_each);
        *offset = get64(batch) + delta + 1;
      }
      if (error == 1 || (error == 0 && *offset >= high_watermark)) *offset = 0;
      at = end;
    }
  }
}

static void receive(connection_t *c) {
  for (;;) {
    if (c->answer_room - c->answer_bytes < 65536) {
      c->answer_room = c->answer_room * 2;
      c->answer = realloc(c->answer, c->answer_room);
    }
    ssize_t got = recv(c->fd, c->answer + c->answer_bytes, c->answer_room - c->answer_bytes, 0);
    if (got == 0) die("receive", "the server has closed the connection");
    if (got < 0) {
      if (errno != EAGAIN) die("receive", strerror(errno));
      return;
    }
    c->answer_bytes += (size_t)got;
    size_t at = 0;
    while (c->answer_bytes - at >= 4) {
      size_t size = (size_t)get32(c->answer + at) + 4;
      if (c->answer_bytes - at < size) break;
      completed(c);
      if (load.is_fetch) take_fetched(c, c->answer + at + 4);
      else take_produced(c->answer + at + 4);
      at += size;
    }
    memmove(c->answer, c->answer + at, c->answer_bytes - at);
    c->answer_bytes -= at;
    if ((size_t)got < 65536 && !load.is_fetch) return;
  }
}

static void open_connection(connection_t *c, int index) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int yes = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect", strerror(errno));
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  /* A fetch names the connection's share of the partitions; all of them where there are fewer than connections. */
  int share = load.partitions / load.connections;
  c->first_partition = share == 0 ? 0 : index * share;
  c->partition_count = share == 0 ? load.partitions : share;
  c->offsets = calloc((size_t)c->partition_count, sizeof *c->offsets);
  c->next = index;
  c->head_room = load.is_fetch ? 256 + 16 * (uint32_t)c->partition_count : 512 + SMALL_BYTES;
  if (!load.is_fetch && load.batch_bytes <= SMALL_BYTES) c->head_room = 512 + load.batch_bytes;
  c->due_ns = calloc((size_t)load.inflight, sizeof *c->due_ns);
  c->head_bytes = calloc((size_t)load.inflight, sizeof *c->head_bytes);
  c->heads = malloc((size_t)load.inflight * c->head_room);
  c->answer_room = 1 << 20;
  c->answer = malloc(c->answer_room);
}

static void read_batch(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) die(path, strerror(errno));
  load.batch = malloc(64 << 20);
  load.batch_bytes = (uint32_t)fread(load.batch, 1, 64 << 20, file);
  fclose(file);
}

int main(int argc, char **argv) {
  if (argc < 4) die("usage", "raw-load produce|fetch PORT TOPIC key=value ...: see the source");
  load.is_fetch = strcmp(argv[1], "fetch") == 0;
  load.port = atoi(argv[2]);
  load.topic = argv[3];
  load.acks = atoi(option(argc, argv, "acks", "1"));
  load.partitions = atoi(option(argc, argv, "partitions", "1"));
  load.connections = atoi(option(argc, argv, "connections", "8"));
  load.inflight = atoi(option(argc, argv, "inflight", "1"));
  load.rate = atol(option(argc, argv, "rate", "0"));
  load.max_bytes = atol(option(argc, argv, "max_bytes", "4194304"));
  load.records = atol(option(argc, argv, "records", "1"));
  load.bytes_each = atol(option(argc, argv, "bytes_each", "100"));
  load.limit = atol(option(argc, argv, "limit", "0"));
  load.warmup = atof(option(argc, argv, "warmup", "1"));
  load.seconds = atof(option(argc, argv, "seconds", "3"));
  if (!load.is_fetch) read_batch(option(argc, argv, "batch", ""));

  connection_t *connections = calloc((size_t)load.connections, sizeof *connections);
  int epoll = epoll_create1(0);
  for (int n = 0; n < load.connections; n++) {
    open_connection(&connections[n], n);
    watch(epoll, &connections[n], EPOLLIN);
  }
  window_t window = {0};
  int64_t began_ns = now_ns(), messages_before = 0, bytes_before = 0, failed_before = 0, rated = 0;
  for (;;) {
    int64_t now = now_ns();
    double elapsed = (double)(now - began_ns) / 1e9;
    if (!is_measuring && (elapsed >= load.warmup || (load.limit > 0 && bytes >= load.limit / 3))) {
      load.warmup = elapsed;
      messages_before = messages;
      bytes_before = bytes;
      failed_before = failed;
      window = window_begin();
      is_measuring = 1;
    }
    if (is_measuring && (elapsed >= load.warmup + load.seconds ||
                         (load.limit > 0 && bytes - bytes_before >= load.limit)))
      break;
    if (load.rate == 0) {
      for (int n = 0; n < load.connections; n++) {
        connection_t *c = &connections[n];
        while (c->begun - c->answered < load.inflight) begin_request(c, now);
        if (!(c->events & EPOLLOUT)) send_begun(epoll, c);
      }
    } else {
      int64_t target = (int64_t)(elapsed * (double)load.rate);
      for (; rated < target; rated++) {
        connection_t *c = &connections[rated % load.connections];
        if (c->begun - c->answered >= load.inflight) break; /* Late: it stays due, and its latency tells. */
        begin_request(c, began_ns + (int64_t)((double)rated / (double)load.rate * 1e9));
      }
      for (int n = 0; n < load.connections; n++)
        if (!(connections[n].events & EPOLLOUT)) send_begun(epoll, &connections[n]);
    }
    struct epoll_event ready[64];
    int more = load.rate > 0; /* Something may be sent before the next event. */
    for (int n = 0; n < load.connections; n++) more |= connections[n].begun - connections[n].answered < load.inflight;
    int got = epoll_wait(epoll, ready, 64, more ? 0 : 10);
    for (int n = 0; n < got; n++) {
      connection_t *c = ready[n].data.ptr;
      if (ready[n].events & EPOLLOUT) send_begun(epoll, c);
      if (ready[n].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
    }
    if (load.rate > 0 && got == 0) {
      struct timespec nap = {0, 50000};
      nanosleep(&nap, NULL);
    }
  }
  window_end(&window, messages - messages_before, bytes - bytes_before, failed - failed_before, &latencies);
  _exit(0);
}
