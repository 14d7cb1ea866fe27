/*
 * A disk that fails for one process: put in front of the C library (LD_PRELOAD), it lets what touches files below
 * one folder fail. The file that ODRADEK_FAILING_DISK names says when and how, and may change at any time:
 *
 *   bytes 0-3   the error number, 0 for none (this machine's byte order)
 *   bytes 4-7   1: only what needs room fails (a full disk); 0: everything does (a broken one)
 *   bytes 8-    the folder, as an absolute path, ended by a zero
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct order {
  volatile int32_t error;
  volatile int32_t only_room;
  char folder[1016];
};

static struct order *order;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("ODRADEK_FAILING_DISK");
  int file = path == NULL ? -1 : open(path, O_RDONLY);
  if (file < 0) return;
  void *page = mmap(NULL, sizeof(struct order), PROT_READ, MAP_SHARED, file, 0);
  if (page != MAP_FAILED) order = page;
  close(file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int below(const char *path) {
  size_t size = strlen(order->folder);
  return strncmp(path, order->folder, size) == 0 && (path[size] == '/' || path[size] == 0);
}

/* Whether an operation on this path is to fail; sets errno. */
static int path_fails(const char *path, int needs_room) {
  if (order == NULL || order->error == 0 || path == NULL) return 0;
  if ((order->only_room && !needs_room) || !below(path)) return 0;
  errno = order->error;
  return 1;
}

/* The same for an open file, by the name it was opened under. */
static int file_fails(int file, int needs_room) {
  if (order == NULL || order->error == 0) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return path_fails(path, needs_room);
}

#define OPEN(name)                                         \
  int name(const char *path, int flags, ...) {             \
    va_list rest;                                          \
    va_start(rest, flags);                                 \
    mode_t mode = va_arg(rest, mode_t);                    \
    va_end(rest);                                          \
    if (path_fails(path, (flags & O_CREAT) != 0)) return -1; \
    return REAL(name)(path, flags, mode);                  \
  }
OPEN(open)
OPEN(open64)

#define ON_FILE(type, name, room, parameters, ...)  \
  type name parameters {                            \
    if (file_fails(file, room)) return -1;          \
    return REAL(name)(__VA_ARGS__);                 \
  }
ON_FILE(ssize_t, write, 1, (int file, const void *from, size_t size), file, from, size)
ON_FILE(ssize_t, pwrite, 1, (int file, const void *from, size_t size, off_t at), file, from, size, at)
ON_FILE(ssize_t, pwrite64, 1, (int file, const void *from, size_t size, off64_t at), file, from, size, at)
ON_FILE(ssize_t, writev, 1, (int file, const struct iovec *parts, int count), file, parts, count)
ON_FILE(ssize_t, pwritev, 1, (int file, const struct iovec *parts, int count, off_t at), file, parts, count, at)
ON_FILE(ssize_t, pwritev64, 1, (int file, const struct iovec *parts, int count, off64_t at), file, parts, count, at)
ON_FILE(ssize_t, pread, 0, (int file, void *to, size_t size, off_t at), file, to, size, at)
ON_FILE(ssize_t, pread64, 0, (int file, void *to, size_t size, off64_t at), file, to, size, at)
ON_FILE(ssize_t, preadv, 0, (int file, const struct iovec *parts, int count, off_t at), file, parts, count, at)
ON_FILE(ssize_t, preadv64, 0, (int file, const struct iovec *parts, int count, off64_t at), file, parts, count, at)
ON_FILE(int, fsync, 0, (int file), file)
ON_FILE(int, fdatasync, 0, (int file), file)
ON_FILE(int, ftruncate, 0, (int file, off_t size), file, size)
ON_FILE(int, ftruncate64, 0, (int file, off64_t size), file, size)

#define ON_PATH(name, room, parameters, ...)        \
  int name parameters {                             \
    if (path_fails(path, room)) return -1;          \
    return REAL(name)(__VA_ARGS__);                 \
  }
ON_PATH(mkdir, 1, (const char *path, mode_t mode), path, mode)
ON_PATH(rename, 0, (const char *path, const char *to), path, to)
ON_PATH(link, 1, (const char *path, const char *to), path, to)
ON_PATH(unlink, 0, (const char *path), path)
ON_PATH(rmdir, 0, (const char *path), path)
