#define _GNU_SOURCE
#include "CFaults.h"
#include "ending.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

// Everything below runs in a signal handler: no allocation, no locks, no buffered output.

enum { line_bytes = 4096 + 128 };

/// Reads a hexadecimal number and steps over it.
static uintptr_t hexadecimal(const char **text) {
  uintptr_t value = 0;
  for (;; ++*text) {
    const char c = **text;
    if (c >= '0' && c <= '9') value = value << 4 | (uintptr_t)(c - '0');
    else if (c >= 'a' && c <= 'f') value = value << 4 | (uintptr_t)(c - 'a' + 10);
    else return value;
  }
}

/// The path at the end of a line of /proc/self/maps (`from-to rights offset device inode path`) if its range holds the address.
static const char *path_in(const char *line, uintptr_t address) {
  const uintptr_t from = hexadecimal(&line);
  if (*line++ != '-') return NULL;
  const uintptr_t to = hexadecimal(&line);
  return address >= from && address < to ? strchr(line, '/') : NULL;
}

/// Finds the file that is mapped at the address; `line` receives its path.
static const char *mapped_file(uintptr_t address, char line[line_bytes]) {
  const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return NULL;
  size_t length = 0;
  char block[1024];
  ssize_t count;
  while ((count = read(maps, block, sizeof block)) > 0) {
    for (ssize_t index = 0; index < count; index++) {
      if (block[index] != '\n') {
        if (length < line_bytes - 1) line[length++] = block[index];
        continue;
      }
      line[length] = 0;
      length = 0;
      const char *path = path_in(line, address);
      if (path) {
        close(maps);
        return path;
      }
    }
  }
  close(maps);
  return NULL;
}

static void report(int number, siginfo_t *information, void *context) {
  (void)context;
  char line[line_bytes];
  const char *path = mapped_file((uintptr_t)information->si_addr, line);
  if (!path) {
    // No file's fault: what happens without this handler happens when the instruction is tried again.
    signal(number, SIG_DFL);
    return;
  }
  const char *parts[] = {
      path,
      ": cannot be read: it has become shorter, or its disk fails; leave it alone meanwhile, and check the disk"};
  sana_end(parts, sizeof parts / sizeof *parts);
}

void sana_report_file_faults(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = report;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}
