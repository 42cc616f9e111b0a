/* Preloaded into the program under test: a slow or failing disk.
   TROUBLED_SLEEP_US    microseconds that each pread and pwrite takes longer
   TROUBLED_FULL_AFTER  bytes after which pwrite and write fail with ENOSPC; fallocate is unknown
   TROUBLED_NO_EXCHANGE renameat2 is unknown, as on file systems that cannot exchange names */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static _Atomic long long written;

static long long setting(const char* name) {
  const char* text = getenv(name);
  return text == NULL ? -1 : atoll(text);
}

static void wait_a_little(void) {
  const long long us = setting("TROUBLED_SLEEP_US");
  if (us > 0) usleep((useconds_t)us);
}

static int is_full(size_t size) {
  const long long most = setting("TROUBLED_FULL_AFTER");
  return most >= 0 && atomic_fetch_add(&written, (long long)size) + (long long)size > most;
}

ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  ssize_t (*real)(int, void*, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
  wait_a_little();
  return real(fd, data, size, offset);
}

ssize_t pread64(int fd, void* data, size_t size, off_t offset) {
  return pread(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  ssize_t (*real)(int, const void*, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
  wait_a_little();
  if (is_full(size)) {
    errno = ENOSPC;
    return -1;
  }
  return real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset) {
  return pwrite(fd, data, size, offset);
}

ssize_t write(int fd, const void* data, size_t size) {
  ssize_t (*real)(int, const void*, size_t) = dlsym(RTLD_NEXT, "write");
  if (fd > 2 && is_full(size)) {
    errno = ENOSPC;
    return -1;
  }
  return real(fd, data, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
  int (*real)(int, int, off_t, off_t) = dlsym(RTLD_NEXT, "fallocate");
  if (setting("TROUBLED_FULL_AFTER") >= 0) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return real(fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off_t offset, off_t size) {
  return fallocate(fd, mode, offset, size);
}

int renameat2(int from, const char* old_name, int to, const char* new_name, unsigned flags) {
  int (*real)(int, const char*, int, const char*, unsigned) = dlsym(RTLD_NEXT, "renameat2");
  if (setting("TROUBLED_NO_EXCHANGE") > 0) {
    errno = EINVAL;
    return -1;
  }
  return real(from, old_name, to, new_name, flags);
}
