#define _GNU_SOURCE
#include "ending.h"

#include "CFaults.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { longest_part = 240, most_descriptors = 1024, deepest_folder = 3 };

static void print(const char *text, size_t length) {
  while (length > 0) {
    const ssize_t count = write(STDERR_FILENO, text, length);
    if (count <= 0) return;
    text += count;
    length -= (size_t)count;
  }
}

/// Bytes at the start of the text that a terminal obeys: control characters, line separators and
/// overrides of the direction of writing, as UTF-8. 0 where the text begins with another character.
static size_t obeyed(const unsigned char *text) {
  if (text[0] < 0x20 || text[0] == 0x7F) return 1;
  if (text[0] == 0xC2 && text[1] >= 0x80 && text[1] < 0xA0) return 2;
  if (text[0] == 0xE2 && text[1] == 0x80 &&
      (text[2] == 0x8E || text[2] == 0x8F || (text[2] >= 0xA8 && text[2] <= 0xAE))) {
    return 3;
  }
  return text[0] == 0xE2 && text[1] == 0x81 && text[2] >= 0xA0 && text[2] <= 0xAF ? 3 : 0;
}

/// Prints a text with a question mark for every character that is obeyed; of a long one, the end.
static void print_part(const char *text) {
  const size_t length = strlen(text);
  if (length > longest_part) {
    print("...", 3);
    text += length - longest_part;
    // Not from the middle of a character.
    while ((*text & 0xC0) == 0x80) text++;
  }
  while (*text) {
    const size_t skipped = obeyed((const unsigned char *)text);
    if (skipped > 0) {
      print("?", 1);
      text += skipped;
      continue;
    }
    size_t shown = 1;
    while (text[shown] && obeyed((const unsigned char *)text + shown) == 0) shown++;
    print(text, shown);
    text += shown;
  }
}

/// Whether a path has the form that this process gives to unfinished outputs:
/// `OUTPUT.PROCESS.partial` or `OUTPUT.PROCESS-N.partial`.
static bool is_unfinished(const char *path, size_t length) {
  static const char suffix[] = ".partial";
  const size_t suffix_length = sizeof suffix - 1;
  if (length < suffix_length || memcmp(path + length - suffix_length, suffix, suffix_length) != 0) {
    return false;
  }
  size_t end = length - suffix_length, start = end;
  while (start > 0 && path[start - 1] != '.' && path[start - 1] != '/') start--;
  char number[24];
  const int digits = snprintf(number, sizeof number, "%ld", (long)getpid());
  return start > 0 && path[start - 1] == '.' && end - start >= (size_t)digits &&
         memcmp(path + start, number, (size_t)digits) == 0 &&
         (end - start == (size_t)digits || path[start + (size_t)digits] == '-');
}

/// An entry of a folder, as the kernel gives it.
typedef struct {
  uint64_t number;
  int64_t offset;
  unsigned short length;
  unsigned char kind;
  char name[];
} entry;

/// Removes a folder and what is in it, with nothing but calls to the kernel: `opendir` allocates.
static void remove_folder(const char *path, int depth) {
  const int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return;
  _Alignas(entry) char block[4096];
  long count;
  while ((count = syscall(SYS_getdents64, folder, block, sizeof block)) > 0) {
    for (long at = 0; at < count;) {
      const entry *next = (const entry *)(block + at);
      at += next->length;
      if (strcmp(next->name, ".") == 0 || strcmp(next->name, "..") == 0) continue;
      if (unlinkat(folder, next->name, 0) == 0 || depth == 0) continue;
      char child[PATH_MAX];
      const int length = snprintf(child, sizeof child, "%s/%s", path, next->name);
      if (length < (int)sizeof child) remove_folder(child, depth - 1);
    }
  }
  close(folder);
  rmdir(path);
}

static void remove_unfinished(void) {
  for (int descriptor = STDERR_FILENO + 1; descriptor < most_descriptors; descriptor++) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) continue;
    path[length] = 0;
    if (is_unfinished(path, (size_t)length) && unlink(path) != 0) remove_folder(path, deepest_folder);
  }
}

static atomic_flag is_ending = ATOMIC_FLAG_INIT;
static atomic_int failure_status = 1;

void sana_set_failure_status(int status) { atomic_store(&failure_status, status); }

void sana_end(const char *const *parts, size_t count) {
  while (atomic_flag_test_and_set(&is_ending)) pause();
  if (isatty(STDERR_FILENO)) print("\r\x1b[K", 4);
  print("error: ", 7);
  for (size_t i = 0; i < count; i++) print_part(parts[i]);
  print("\n", 1);
  remove_unfinished();
  _exit(atomic_load(&failure_status));
}
