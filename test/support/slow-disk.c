/*
 * A slow disk for one process: put in front of the C library (LD_PRELOAD), it lets every sync, and every write to a
 * file that is opened to be synchronous, take so many milliseconds longer. How many is the first 32-bit word of the
 * file that ODRADEK_SLOW_DISK names, which may change at any time; no such file: nothing is slower. The second word
 * counts them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static volatile uint32_t *delay_ms;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("ODRADEK_SLOW_DISK");
  int file = path == NULL ? -1 : open(path, O_RDWR);
  if (file < 0) return;
  void *page = mmap(NULL, 2 * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (page != MAP_FAILED) delay_ms = page;
  close(file);
}

static void wait_a_while(void) {
  if (delay_ms == NULL) return;
  __atomic_add_fetch(&delay_ms[1], 1, __ATOMIC_RELAXED);
  uint32_t ms = *delay_ms;
  if (ms == 0) return;
  struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000L};
  nanosleep(&time, NULL);
}

static void wait_if_synchronous(int file) {
  if (delay_ms == NULL) return;
  int flags = fcntl(file, F_GETFL);
  if (flags >= 0 && (flags & (O_DSYNC | O_SYNC)) != 0) wait_a_while();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int file) { wait_a_while(); return REAL(fsync)(file); }
int fdatasync(int file) { wait_a_while(); return REAL(fdatasync)(file); }

ssize_t write(int file, const void *bytes, size_t size) {
  wait_if_synchronous(file);
  return REAL(write)(file, bytes, size);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
  wait_if_synchronous(file);
  return REAL(pwrite)(file, bytes, size, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
  wait_if_synchronous(file);
  return REAL(pwrite64)(file, bytes, size, at);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
  wait_if_synchronous(file);
  return REAL(writev)(file, parts, count);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
  wait_if_synchronous(file);
  return REAL(pwritev)(file, parts, count, at);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
  wait_if_synchronous(file);
  return REAL(pwritev64)(file, parts, count, at);
}
