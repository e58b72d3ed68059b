#define _GNU_SOURCE
#include "sana_pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A loop is a number of tasks that nobody has begun and a number that nobody has finished. A thread
// takes part by taking a task, not by being told to: whoever runs takes what there is, and the end
// of a loop waits for tasks that were begun, never for a thread that was not there. A thread that
// comes late finds no task and has touched nothing.
//
// Where threads share processors with each other or with other processes, one may be interrupted in
// a task, and the loop waits for it. So workers let others run between tasks before the system does
// in one. And what they cost all the same is weighed against what they do: the caller works alone
// while they do not pay.

typedef struct {
  sana_pool *pool;
  pthread_t thread;
  size_t number;
} worker;

enum { CACHE_LINE = 128 };

struct sana_pool {
  // Held by whoever runs a loop.
  pthread_mutex_t turn;
  // Of the loop that runs. Who holds a task of it may read them: the loop cannot end before that
  // task has.
  void (*task)(void *, size_t, size_t);
  void *context;
  size_t count;
  // Null where nobody can stop the work.
  const sana_flag *stop;
  // What workers have saved the callers of loops, less what waking and awaiting them took. In
  // nanoseconds, as all times.
  int64_t balance;
  // Until when loops run without workers.
  int64_t alone_until;
  // Until when processors are taken to be shared with other processes.
  int64_t contended_until;
  // Whether every thread can have a processor of its own.
  bool has_processors;
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

  // What one worker does meanwhile. Whoever changes `errand_state` from waiting has it.
  void (*errand)(void *);
  void *errand_context;
  _Alignas(CACHE_LINE) atomic_int errand_state;

  size_t worker_count;
  worker workers[];
};

enum { NO_ERRAND, ERRAND_WAITS, ERRAND_RUNS, ERRAND_ENDED };

enum {
  // How long a thread looks for the next loop, or for the end of this one, before it sleeps. Loops
  // of a graph follow each other within microseconds, and waking a thread takes tens of them.
  PATIENCE = 100 * 1000,
  // The same of a caller that shares the processors with others: where it sleeps, the system gives
  // its processor to a thread of the pool that was interrupted.
  CONTENDED_PATIENCE = 5 * 1000,
  // A caller that waits so much longer than a task takes waits for a thread that was interrupted.
  INTERRUPTION = 300 * 1000,
  // How long processors are taken to be shared after that.
  CONTENTION = 20 * 1000 * 1000,

  // After so long a worker lets others run, if there are any. The system would do so after 2 to 4.
  TURN = 1500 * 1000,

  // When the balance is so low, loops run without workers for a while, for longer the lower it is:
  // so what trying again costs stays a small part. And what workers saved long ago does not excuse
  // what they cost.
  LEAST_BALANCE = -200 * 1000,
  GREATEST_BALANCE = 3 * 1000 * 1000,
  ALONE_FACTOR = 16,
  LONGEST_ALONE = 100 * 1000 * 1000,

  // Each wakes two others: the caller of a large pool does not wake all of them, and where woken
  // threads do not get to run, no more are woken.
  WOKEN_AT_ONCE = 2,
};

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// When this thread's turn began, of a worker: as far as it knows, it has run since.
static _Thread_local int64_t turn;

static bool turn_is_over(void) { return turn != 0 && nanoseconds() - turn > TURN; }

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0 && errno == EINTR) {}
}

static bool has_news(sana_pool *pool) {
  return atomic_load(&pool->remaining) > 0 || atomic_load(&pool->stopping) ||
         atomic_load(&pool->errand_state) == ERRAND_WAITS;
}

static bool is_finished(sana_pool *pool) { return atomic_load(&pool->unfinished) == 0; }

/// Looks for a change until patience runs out.
static bool comes_soon(sana_pool *pool, bool (*has_come)(sana_pool *), int64_t patience) {
  if (has_come(pool)) return true;
  if (!pool->has_processors) return false;
  const int64_t end = nanoseconds() + patience;
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

/// Wakes up to `most` workers; whether there was one to wake.
static bool wake(sana_pool *pool, size_t most) {
  const size_t count = take_sleepers(pool, most);
  for (size_t i = 0; i < count; i++) sem_post(&pool->work_there);
  return count > 0;
}

/// Waits for a loop, or for the end of the pool, which is false.
static bool await_loop(sana_pool *pool) {
  while (!comes_soon(pool, has_news, PATIENCE)) {
    atomic_fetch_add(&pool->asleep, 1);
    // What came before the count was seen would wake nobody. Whoever cannot be counted out again
    // has a token on its way.
    if (has_news(pool) && take_sleepers(pool, 1) == 1) break;
    wait_for(&pool->work_there);
    turn = nanoseconds();
  }
  return !atomic_load(&pool->stopping);
}

/// None for a thread whose turn is over.
static bool take_task(sana_pool *pool, size_t *index) {
  if (turn_is_over()) return false;
  size_t remaining = atomic_load_explicit(&pool->remaining, memory_order_relaxed);
  while (remaining > 0) {
    // What is taken may belong to a later loop than what was read before: it is a task of the loop
    // that runs, either way.
    if (atomic_compare_exchange_weak_explicit(
            &pool->remaining, &remaining, remaining - 1, memory_order_acquire,
            memory_order_relaxed)) {
      *index = pool->count - remaining;
      return true;
    }
  }
  return false;
}

static bool is_stopped(const sana_pool *pool) {
  return pool->stop && sana_flag_is_raised(pool->stop);
}

/// Runs tasks until none remains, and returns how many. Those of stopped work only count.
static size_t work(sana_pool *pool, size_t number) {
  size_t index, finished = 0;
  for (; take_task(pool, &index); finished++) {
    if (!is_stopped(pool)) pool->task(pool->context, index, number);
  }
  if (finished == 0) return 0;
  if (atomic_fetch_sub(&pool->unfinished, finished) == finished &&
      atomic_load(&pool->caller_sleeps) && atomic_exchange(&pool->caller_sleeps, false)) {
    sem_post(&pool->tasks_finished);
  }
  return finished;
}

/// Whether the caller had to sleep.
static bool await_finish(sana_pool *pool, int64_t patience) {
  bool has_slept = false;
  while (!comes_soon(pool, is_finished, patience)) {
    atomic_store(&pool->caller_sleeps, true);
    // As in `await_loop`.
    if (is_finished(pool) && atomic_exchange(&pool->caller_sleeps, false)) break;
    wait_for(&pool->tasks_finished);
    has_slept = true;
  }
  return has_slept;
}

/// Decides from what workers have saved and cost in a loop whether the next ones shall have any.
static void account(sana_pool *pool, int64_t saved, int64_t cost, int64_t now) {
  pool->balance += saved - cost;
  if (pool->balance > GREATEST_BALANCE) pool->balance = GREATEST_BALANCE;
  if (pool->balance > LEAST_BALANCE) return;
  const int64_t alone = -pool->balance * ALONE_FACTOR;
  pool->alone_until = now + (alone < LONGEST_ALONE ? alone : LONGEST_ALONE);
  pool->balance = 0;
}

static void run_alone(sana_pool *pool) {
  for (size_t i = 0; i < pool->count && !is_stopped(pool); i++) {
    pool->task(pool->context, i, pool->worker_count);
  }
}

static void run_together(sana_pool *pool, int64_t begin) {
  atomic_store(&pool->unfinished, pool->count);
  atomic_store(&pool->remaining, pool->count);
  const size_t useful = pool->count - 1;
  const bool woke = wake(pool, useful < WOKEN_AT_ONCE ? useful : WOKEN_AT_ONCE);
  const int64_t woken = woke ? nanoseconds() : begin;
  const size_t own = work(pool, pool->worker_count);
  const int64_t done = nanoseconds();
  bool has_slept = false;
  int64_t waited = 0;
  if (!is_finished(pool)) {
    const bool contended = done < pool->contended_until;
    has_slept = await_finish(pool, contended ? CONTENDED_PATIENCE : PATIENCE);
    waited = nanoseconds() - done;
    // A caller that was interrupted while it looked has not lost that time to a worker.
    if (!has_slept && waited > PATIENCE) waited = PATIENCE;
  }
  const int64_t task = own > 0 ? (done - woken) / (int64_t)own : 0;
  const int64_t end = done + waited;
  account(pool, task * (int64_t)(pool->count - own), woken - begin + waited, end);
  if (has_slept && waited > 2 * task + INTERRUPTION) pool->contended_until = end + CONTENTION;
}

static bool take_errand(sana_pool *pool) {
  int waiting = ERRAND_WAITS;
  return atomic_load(&pool->errand_state) == ERRAND_WAITS &&
         atomic_compare_exchange_strong(&pool->errand_state, &waiting, ERRAND_RUNS);
}

static void *worker_main(void *argument) {
  const worker *self = argument;
  sana_pool *pool = self->pool;
  turn = nanoseconds();
  while (await_loop(pool)) {
    if (take_errand(pool)) {
      pool->errand(pool->errand_context);
      atomic_store(&pool->errand_state, ERRAND_ENDED);
      turn = nanoseconds();
    }
    wake(pool, WOKEN_AT_ONCE);
    work(pool, self->number);
    if (turn_is_over()) {
      sched_yield();
      turn = nanoseconds();
    }
  }
  return NULL;
}

sana_pool *sana_pool_create(size_t threads, size_t processors) {
  const size_t helpers = threads > 1 ? threads - 1 : 0;
  const size_t bytes = sizeof(sana_pool) + helpers * sizeof(worker);
  sana_pool *pool = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
  if (!pool) return NULL;
  memset(pool, 0, bytes);
  pool->has_processors = threads <= processors;
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

void sana_pool_observe(sana_pool *pool, const sana_flag *flag) { pool->stop = flag; }

void sana_pool_send(sana_pool *pool, void (*errand)(void *), void *context) {
  if (pool->worker_count == 0) return;
  pool->errand = errand;
  pool->errand_context = context;
  atomic_store(&pool->errand_state, ERRAND_WAITS);
  wake(pool, 1);
}

bool sana_pool_settle(sana_pool *pool) {
  if (atomic_load(&pool->errand_state) == NO_ERRAND || take_errand(pool)) {
    atomic_store(&pool->errand_state, NO_ERRAND);
    return false;
  }
  // An errand takes milliseconds, and the caller has nothing to do.
  const struct timespec moment = {.tv_nsec = 50 * 1000};
  while (atomic_load(&pool->errand_state) != ERRAND_ENDED) nanosleep(&moment, NULL);
  atomic_store(&pool->errand_state, NO_ERRAND);
  return true;
}

size_t sana_pool_size(const sana_pool *pool) { return pool->worker_count + 1; }

void sana_pool_run(
    sana_pool *pool, size_t count, void (*task)(void *, size_t, size_t), void *context) {
  pthread_mutex_lock(&pool->turn);
  pool->task = task;
  pool->context = context;
  pool->count = count;
  if (pool->worker_count == 0 || count < 2) {
    run_alone(pool);
  } else {
    const int64_t begin = nanoseconds();
    if (begin < pool->alone_until) {
      run_alone(pool);
    } else {
      run_together(pool, begin);
    }
  }
  pthread_mutex_unlock(&pool->turn);
}
