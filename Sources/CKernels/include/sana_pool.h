#pragma once
#include "sana_flag.h"
#include <stdbool.h>
#include <stddef.h>

/// Threads that share the tasks of one loop at a time, and sleep in between.
typedef struct sana_pool sana_pool;

/// Starts `threads - 1` threads; the caller of `sana_pool_run` is the last one. With fewer than
/// that available the pool is smaller. Null when there is no memory.
///
/// Threads that have no work look for some before they sleep, but not where there are more of them
/// than `processors`: there, others need the processor.
sana_pool *_Nullable sana_pool_create(size_t threads, size_t processors);

void sana_pool_destroy(sana_pool *_Nonnull pool);

/// Threads that really run, the caller included.
size_t sana_pool_size(const sana_pool *_Nonnull pool);

/// Makes the pool heed a flag, or none, in the loops that follow: once it is raised, tasks that
/// have not begun never do. What a loop leaves undone is then undefined, so whoever raises the flag
/// must not use any result. The flag must live until another is observed.
void sana_pool_observe(sana_pool *_Nonnull pool, const sana_flag *_Nullable flag);

/// Lets one thread of the pool do something while others share the loops that follow without it.
/// One such errand at a time: each is followed by `sana_pool_settle`, by the same caller. A pool
/// without other threads leaves it undone.
void sana_pool_send(
    sana_pool *_Nonnull pool, void (*_Nonnull errand)(void *_Nullable context),
    void *_Nullable context);

/// Waits for the errand's end; false when no thread has begun it, and none will.
bool sana_pool_settle(sana_pool *_Nonnull pool);

/// Calls `task(context, index, worker)` once for every index below `count`, and returns when all
/// calls have. It waits for tasks only that a thread has begun: a thread that does not run holds
/// nobody up. Which worker (below `sana_pool_size`) gets an index is a matter of chance, so results
/// must not depend on it. Loops started from different threads run one after the other; a task must
/// not start one.
void sana_pool_run(
    sana_pool *_Nonnull pool, size_t count,
    void (*_Nonnull task)(void *_Nullable context, size_t index, size_t worker),
    void *_Nullable context);
