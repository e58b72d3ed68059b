#define _GNU_SOURCE
#include "CFaults.h"
#include "ending.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_OWN_ALLOCATOR 1
#endif
#endif

#if defined(__GLIBC__) && !defined(HAS_OWN_ALLOCATOR)
#define REPORTS_REFUSALS 1
#endif

static atomic_bool is_reporting;

/// Beside the program itself: a few threads and their stacks.
enum { least_room = 16 << 20 };

/// What the stack of the first thread may need: it grows as it is used, and where it cannot, the
/// process crashes.
enum { stack_bytes = 512 << 10, page_bytes = 4096 };

static void __attribute__((noinline)) reserve_stack(void) {
  volatile char bytes[stack_bytes];
  for (size_t i = 0; i < stack_bytes; i += page_bytes) bytes[i] = 0;
}

static void refused(size_t size);

void sana_report_memory_faults(void) {
  atomic_store(&is_reporting, true);
  // Where there is no room for the least that any command takes, it is better said now than found
  // out by a crash.
  void *room = mmap(NULL, least_room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    refused(least_room);
  } else {
    munmap(room, least_room);
  }
  reserve_stack();
}

static void print_size(char *text, size_t capacity, size_t size) {
  snprintf(text, capacity, "%zu MiB", (size >> 20) + (size % (1 << 20) != 0));
}

/// Larger requests come from lies in files and are the caller's to refuse: no address space has so
/// much.
static const size_t largest_request = (size_t)1 << 46;

static void refused(size_t size) {
  if (size == 0 || size >= largest_request || !atomic_load(&is_reporting)) return;
  char wanted[32], limit[32];
  print_size(wanted, sizeof wanted, size);
  static const struct {
    int resource;
    const char *option;
  } limits[] = {{RLIMIT_AS, "-v"}, {RLIMIT_DATA, "-d"}};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    struct rlimit value;
    if (getrlimit(limits[i].resource, &value) != 0 ||
        value.rlim_cur == RLIM_INFINITY) {
      continue;
    }
    print_size(limit, sizeof limit, value.rlim_cur);
    const char *parts[] = {
        "the limit on memory, ", limit, ", has no room for ", wanted,
        " more; raise it (ulimit ", limits[i].option, "), or ask for less"};
    sana_end(parts, sizeof parts / sizeof *parts);
  }
  const char *parts[] = {
      "the system has no room for ", wanted, " more; close other programs, or ask for less"};
  sana_end(parts, sizeof parts / sizeof *parts);
}

#ifdef REPORTS_REFUSALS

// The process's allocator is the system's, behind these functions, which the linker prefers to the
// library's own. Swift and C++ end a process without a word, or with a stack trace, when they get
// no memory; here it can be said what to do.

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  void *memory = __libc_malloc(size);
  if (__builtin_expect(!memory, 0)) refused(size);
  return memory;
}

void *calloc(size_t count, size_t size) {
  void *memory = __libc_calloc(count, size);
  size_t total;
  if (__builtin_expect(!memory, 0) && !__builtin_mul_overflow(count, size, &total)) refused(total);
  return memory;
}

void *realloc(void *memory, size_t size) {
  void *moved = __libc_realloc(memory, size);
  if (__builtin_expect(!moved, 0)) refused(size);
  return moved;
}

static void *aligned(size_t alignment, size_t size) {
  void *memory = __libc_memalign(alignment, size);
  if (__builtin_expect(!memory, 0)) refused(size);
  return memory;
}

void *memalign(size_t alignment, size_t size) { return aligned(alignment, size); }

void *aligned_alloc(size_t alignment, size_t size) { return aligned(alignment, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  void *found = aligned(alignment, size);
  if (!found) return ENOMEM;
  *memory = found;
  return 0;
}

#endif
