/* What the load clients share: a clock, a histogram of latencies, what the client itself costs, and one JSON object
 * in the end. A window of measurement begins with the line "measuring" on standard output, so that whoever started
 * the client can look at the server's figures at the same moment, and ends with the JSON object. */
#ifndef ODRADEK_BENCH_MEASURE_H
#define ODRADEK_BENCH_MEASURE_H
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Nanoseconds of the clock that all processes of the machine share. */
static inline int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static inline void die(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

/* Microseconds in steps that grow with the value: 64 steps for each doubling, so a figure is right to 1.6 %. */
#define STEPS_EACH 64
#define STEPS (40 * STEPS_EACH)
typedef struct {
  int64_t counts[STEPS];
  int64_t total;
} histogram_t;

static inline void histogram_add(histogram_t *histogram, int64_t micros) {
  if (micros < 0) micros = 0;
  uint64_t value = (uint64_t)micros;
  int doubling = 0;
  while ((value >> doubling) >= 2 * STEPS_EACH) doubling++;
  size_t step = (size_t)doubling * STEPS_EACH + (value >> doubling);
  histogram->counts[step < STEPS ? step : STEPS - 1]++;
  histogram->total++;
}

/* Milliseconds within which this share of all was done; -1 when nothing was counted. */
static inline double histogram_at(const histogram_t *histogram, double share) {
  if (histogram->total == 0) return -1;
  int64_t wanted = (int64_t)(share * (double)histogram->total), seen = 0;
  for (size_t step = 0; step < STEPS; step++) {
    seen += histogram->counts[step];
    if (seen <= wanted && seen < histogram->total) continue;
    size_t doubling = step < 2 * STEPS_EACH ? 0 : step / STEPS_EACH - 1;
    return (double)((step - doubling * STEPS_EACH) << doubling) / 1000.0;
  }
  return -1;
}

/* CPU seconds of this process, and of the busiest of its threads. */
typedef struct {
  double all, busiest;
} cost_t;

#define THREADS_MAX 64
typedef struct {
  long id[THREADS_MAX];
  double seconds[THREADS_MAX];
  int count;
} threads_t;

static inline threads_t threads_now(void) {
  threads_t threads = {.count = 0};
  DIR *folder = opendir("/proc/self/task");
  if (folder == NULL) return threads;
  struct dirent *entry;
  while ((entry = readdir(folder)) != NULL && threads.count < THREADS_MAX) {
    char path[300];
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
    FILE *file = fopen(path, "r");
    unsigned long long ns = 0;
    if (file == NULL) continue;
    if (fscanf(file, "%llu", &ns) == 1) {
      threads.id[threads.count] = atol(entry->d_name);
      threads.seconds[threads.count++] = (double)ns / 1e9;
    }
    fclose(file);
  }
  closedir(folder);
  return threads;
}

static inline cost_t cost_since(const threads_t *before) {
  threads_t after = threads_now();
  cost_t cost = {0, 0};
  for (int n = 0; n < after.count; n++) {
    double spent = after.seconds[n];
    for (int m = 0; m < before->count; m++)
      if (before->id[m] == after.id[n]) spent -= before->seconds[m];
    cost.all += spent;
    if (spent > cost.busiest) cost.busiest = spent;
  }
  return cost;
}

/* One window of measurement. */
typedef struct {
  int64_t began_ns;
  threads_t threads;
} window_t;

static inline window_t window_begin(void) {
  window_t window = {.began_ns = now_ns(), .threads = threads_now()};
  puts("measuring");
  fflush(stdout);
  return window;
}

static inline void window_end(const window_t *window, int64_t messages, int64_t bytes, int64_t failed,
                              const histogram_t *latencies) {
  double seconds = (double)(now_ns() - window->began_ns) / 1e9;
  cost_t cost = cost_since(&window->threads);
  printf("{\"messages\":%lld,\"bytes\":%lld,\"failed\":%lld,\"seconds\":%.6f,\"cpuSeconds\":%.3f,"
         "\"busiestThreadSeconds\":%.3f,\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"p999Ms\":%.3f}\n",
         (long long)messages, (long long)bytes, (long long)failed, seconds, cost.all, cost.busiest,
         histogram_at(latencies, 0.5), histogram_at(latencies, 0.99), histogram_at(latencies, 0.999));
  fflush(stdout);
}

/* The value of an option "key=value" among the arguments; `otherwise` when it is not given. */
static inline const char *option(int argc, char **argv, const char *key, const char *otherwise) {
  size_t length = strlen(key);
  for (int n = 1; n < argc; n++)
    if (strncmp(argv[n], key, length) == 0 && argv[n][length] == '=') return argv[n] + length + 1;
  return otherwise;
}
#endif
