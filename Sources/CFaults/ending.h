#pragma once

#include <stddef.h>

/// Ends the process with the status of a failure after one line on standard error, `error: ` and
/// the parts, and removes the files and folders under temporary names that the process has open.
/// Allocates nothing and takes no locks, so that a signal handler can call it. If several threads
/// do, the first one speaks.
_Noreturn void sana_end(const char *const *parts, size_t count);
