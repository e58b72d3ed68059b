#define _GNU_SOURCE
#include "sana_pool.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A loop is a number of tasks that nobody has begun and a number that nobody has finished. A thread takes part by taking a task, not
// by being told to: whoever runs takes what there is, and the end of a loop waits for tasks that were begun, never for a thread that
// was not there. A thread that comes late finds no task and has touched nothing.

typedef struct {
  sana_pool *pool;
  pthread_t thread;
  size_t number;
} worker;

enum { CACHE_LINE = 128 };

struct sana_pool {
  // Held by whoever runs a loop.
  pthread_mutex_t turn;
  // Of the loop that runs. Who holds a task of it may read them: the loop cannot end before that task has.
  void (*task)(void *, size_t, size_t);
  void *context;
  size_t count;
  // How long a thread looks for work before it sleeps.
  long patience;
  atomic_bool stopping;
  // One token for each worker that was counted out of `asleep`.
  sem_t work_there;
  // One token whenever `caller_sleeps` was taken back by another thread.
  sem_t tasks_finished;

  // Tasks that nobody has begun.
  _Alignas(CACHE_LINE) atomic_size_t remaining;
  // Tasks that nobody has reported as finished.
  _Alignas(CACHE_LINE) atomic_size_t unfinished;
  atomic_bool caller_sleeps;
  // Workers that sleep, or are about to, and that nobody has sent a token.
  _Alignas(CACHE_LINE) atomic_size_t asleep;

  size_t worker_count;
  worker workers[];
};

// Loops of a graph follow each other within microseconds, and waking a thread takes tens of them. So a thread whose processor nobody
// else needs looks for the next loop before it sleeps.
enum { PATIENCE_NANOSECONDS = 100000 };

// Each wakes two others: the caller of a large pool does not wake all of them, and where woken threads do not get to run, no more
// are woken.
enum { WOKEN_AT_ONCE = 2 };

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000l + now.tv_nsec;
}

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0 && errno == EINTR) {}
}

static bool has_news(sana_pool *pool) {
  return atomic_load(&pool->remaining) > 0 || atomic_load(&pool->stopping);
}

static bool is_finished(sana_pool *pool) { return atomic_load(&pool->unfinished) == 0; }

/// Looks for a change until patience runs out.
static bool comes_soon(sana_pool *pool, bool (*has_come)(sana_pool *)) {
  if (has_come(pool)) return true;
  if (pool->patience == 0) return false;
  const long end = nanoseconds() + pool->patience;
  do {
    for (int i = 0; i < 16; i++) {
      relax();
      if (has_come(pool)) return true;
    }
  } while (nanoseconds() < end);
  return false;
}

/// Counts up to `most` workers out of those that sleep.
static size_t take_sleepers(sana_pool *pool, size_t most) {
  size_t asleep = atomic_load(&pool->asleep);
  while (asleep > 0) {
    const size_t taken = asleep < most ? asleep : most;
    if (atomic_compare_exchange_weak(&pool->asleep, &asleep, asleep - taken)) return taken;
  }
  return 0;
}

static void wake(sana_pool *pool, size_t most) {
  for (size_t count = take_sleepers(pool, most); count > 0; count--) sem_post(&pool->work_there);
}

/// Waits for a loop, or for the end of the pool, which is false.
static bool await_loop(sana_pool *pool) {
  while (!comes_soon(pool, has_news)) {
    atomic_fetch_add(&pool->asleep, 1);
    // What came before the count was seen would wake nobody. Whoever cannot be counted out again has a token on its way.
    if (has_news(pool) && take_sleepers(pool, 1) == 1) break;
    wait_for(&pool->work_there);
  }
  return !atomic_load(&pool->stopping);
}

static bool take_task(sana_pool *pool, size_t *index) {
  size_t remaining = atomic_load_explicit(&pool->remaining, memory_order_relaxed);
  while (remaining > 0) {
    // What is taken may belong to a later loop than what was read before: it is a task of the loop that runs, either way.
    if (atomic_compare_exchange_weak_explicit(
            &pool->remaining, &remaining, remaining - 1, memory_order_acquire,
            memory_order_relaxed)) {
      *index = pool->count - remaining;
      return true;
    }
  }
  return false;
}

/// Runs tasks until none remains.
static void work(sana_pool *pool, size_t number) {
  size_t index, finished = 0;
  for (; take_task(pool, &index); finished++) pool->task(pool->context, index, number);
  if (finished == 0) return;
  if (atomic_fetch_sub(&pool->unfinished, finished) == finished &&
      atomic_load(&pool->caller_sleeps) && atomic_exchange(&pool->caller_sleeps, false)) {
    sem_post(&pool->tasks_finished);
  }
}

static void await_finish(sana_pool *pool) {
  while (!comes_soon(pool, is_finished)) {
    atomic_store(&pool->caller_sleeps, true);
    // As in `await_loop`.
    if (is_finished(pool) && atomic_exchange(&pool->caller_sleeps, false)) return;
    wait_for(&pool->tasks_finished);
  }
}

static void *worker_main(void *argument) {
  const worker *self = argument;
  sana_pool *pool = self->pool;
  while (await_loop(pool)) {
    wake(pool, WOKEN_AT_ONCE);
    work(pool, self->number);
  }
  return NULL;
}

sana_pool *sana_pool_create(size_t threads, size_t processors) {
  const size_t helpers = threads > 1 ? threads - 1 : 0;
  const size_t bytes = sizeof(sana_pool) + helpers * sizeof(worker);
  sana_pool *pool = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
  if (!pool) return NULL;
  memset(pool, 0, bytes);
  pool->patience = threads <= processors ? PATIENCE_NANOSECONDS : 0;
  pthread_mutex_init(&pool->turn, NULL);
  sem_init(&pool->work_there, 0, 0);
  sem_init(&pool->tasks_finished, 0, 0);
  for (size_t i = 0; i < helpers; i++) {
    worker *next = &pool->workers[i];
    next->pool = pool;
    next->number = i;
    if (pthread_create(&next->thread, NULL, worker_main, next) != 0) break;
    pool->worker_count = i + 1;
  }
  return pool;
}

void sana_pool_destroy(sana_pool *pool) {
  atomic_store(&pool->stopping, true);
  wake(pool, pool->worker_count);
  for (size_t i = 0; i < pool->worker_count; i++) pthread_join(pool->workers[i].thread, NULL);
  sem_destroy(&pool->tasks_finished);
  sem_destroy(&pool->work_there);
  pthread_mutex_destroy(&pool->turn);
  free(pool);
}

size_t sana_pool_size(const sana_pool *pool) { return pool->worker_count + 1; }

void sana_pool_run(
    sana_pool *pool, size_t count, void (*task)(void *, size_t, size_t), void *context) {
  pthread_mutex_lock(&pool->turn);
  if (pool->worker_count == 0 || count < 2) {
    for (size_t i = 0; i < count; i++) task(context, i, pool->worker_count);
    pthread_mutex_unlock(&pool->turn);
    return;
  }
  pool->task = task;
  pool->context = context;
  pool->count = count;
  atomic_store(&pool->unfinished, count);
  atomic_store(&pool->remaining, count);
  wake(pool, count - 1 < WOKEN_AT_ONCE ? count - 1 : WOKEN_AT_ONCE);
  work(pool, pool->worker_count);
  await_finish(pool);
  pthread_mutex_unlock(&pool->turn);
}
