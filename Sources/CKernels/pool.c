#include "sana_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct {
  sana_pool *pool;
  pthread_t thread;
  size_t number;
} worker;

struct sana_pool {
  // Held by whoever runs a loop.
  pthread_mutex_t turn;
  // Guards what follows; `generation`, `busy` and `stopping` are also read without it, `next` is taken without it.
  pthread_mutex_t lock;
  pthread_cond_t started, finished;
  atomic_size_t generation;
  atomic_size_t busy;
  atomic_bool stopping;
  void (*task)(void *, size_t, size_t);
  void *context;
  size_t count;
  atomic_size_t next;
  size_t worker_count;
  worker workers[];
};

// A graph's loops follow each other within microseconds, and waking a thread takes tens of them: so threads look for the next loop
// for a while before they sleep. The time is short enough not to matter where processors are scarce.
enum { SPIN_ROUNDS = 4000 };

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void await_generation(const sana_pool *pool, size_t seen) {
  for (int i = 0; i < SPIN_ROUNDS; i++) {
    if (atomic_load_explicit(&pool->generation, memory_order_acquire) != seen ||
        atomic_load_explicit(&pool->stopping, memory_order_relaxed)) {
      return;
    }
    relax();
  }
}

static void await_idle(const sana_pool *pool) {
  for (int i = 0; i < SPIN_ROUNDS; i++) {
    if (atomic_load_explicit(&pool->busy, memory_order_acquire) == 0) return;
    relax();
  }
}

static void work(sana_pool *pool, size_t number) {
  for (;;) {
    const size_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (index >= pool->count) return;
    pool->task(pool->context, index, number);
  }
}

static void *worker_main(void *argument) {
  const worker *self = argument;
  sana_pool *pool = self->pool;
  size_t seen = 0;
  for (;;) {
    await_generation(pool, seen);
    pthread_mutex_lock(&pool->lock);
    while (pool->generation == seen && !pool->stopping) {
      pthread_cond_wait(&pool->started, &pool->lock);
    }
    const bool stopping = pool->stopping;
    seen = pool->generation;
    pthread_mutex_unlock(&pool->lock);
    if (stopping) return NULL;
    work(pool, self->number);
    pthread_mutex_lock(&pool->lock);
    if (--pool->busy == 0) pthread_cond_signal(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
  }
}

sana_pool *sana_pool_create(size_t threads) {
  const size_t helpers = threads > 1 ? threads - 1 : 0;
  sana_pool *pool = calloc(1, sizeof *pool + helpers * sizeof(worker));
  if (!pool) return NULL;
  pthread_mutex_init(&pool->turn, NULL);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->started, NULL);
  pthread_cond_init(&pool->finished, NULL);
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
  pthread_mutex_lock(&pool->lock);
  pool->stopping = true;
  pthread_cond_broadcast(&pool->started);
  pthread_mutex_unlock(&pool->lock);
  for (size_t i = 0; i < pool->worker_count; i++) pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->finished);
  pthread_cond_destroy(&pool->started);
  pthread_mutex_destroy(&pool->lock);
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
  pthread_mutex_lock(&pool->lock);
  pool->task = task;
  pool->context = context;
  pool->count = count;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  pool->busy = pool->worker_count;
  pool->generation++;
  pthread_cond_broadcast(&pool->started);
  pthread_mutex_unlock(&pool->lock);

  work(pool, pool->worker_count);

  await_idle(pool);
  pthread_mutex_lock(&pool->lock);
  while (pool->busy > 0) pthread_cond_wait(&pool->finished, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
  pthread_mutex_unlock(&pool->turn);
}
