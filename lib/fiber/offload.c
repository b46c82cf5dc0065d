/*
 * offload - work that may block, in worker threads
 *
 * Each pool has its own queue and threads, started when there is work and no idle thread. What is done
 * goes into one list, and the loop is woken once for all that is in it. A job lies on the stack of the
 * fiber that waits for it; no lock is held while it runs.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/fiber/internal.h"

/* Name service modules and database libraries run here. */
#define THREAD_STACK ((size_t)512 * 1024)

struct job {
	struct job *next;
	void (*fn)(void *arg);
	void *arg;
	struct fiber *fiber;
	bool ended; /* the loop's */
};

struct pool {
	pthread_mutex_t lock;
	sem_t work; /* one for each queued job; fewer system calls than a condition takes */
	struct job *head, *tail;
	unsigned queued; /* jobs that no thread has taken */
	unsigned idle;   /* threads that wait for work, or are on their way to it */
	unsigned threads;
	unsigned max;
};

static struct {
	struct pool pools[FIBER_POOLS];
	_Atomic(struct job *) done; /* the last one first */
	uv_async_t wake;
	bool initialized;
} offload = {
    .pools[FIBER_POOL_SYNC].max = 32,
    .pools[FIBER_POOL_BULK].max = 4,
    .pools[FIBER_POOL_READ].max = 8,
};

/* On the loop: lets the fibers whose jobs are done go on, in the order of their ends. */
static void
on_wake(uv_async_t *async)
{
	struct job *job = atomic_exchange(&offload.done, NULL), *first = NULL;

	(void)async;
	while (job) {
		struct job *next = job->next;

		job->next = first;
		first = job;
		job = next;
	}
	for (; first; first = first->next) {
		first->ended = true;
		fiber_ready(first->fiber, FIBER_OK);
	}
}

static void
job_done(struct job *job)
{
	struct job *head = atomic_load(&offload.done);

	do
		job->next = head;
	while (!atomic_compare_exchange_weak(&offload.done, &head, job));
	/* JOB may be gone by now. Who found the list empty wakes the loop, for all that follow. */
	if (!head)
		uv_async_send(&offload.wake);
}

static struct job *
next_job(struct pool *pool)
{
	struct job *job;

	while (sem_wait(&pool->work) != 0)
		continue;
	pthread_mutex_lock(&pool->lock);
	pool->idle--;
	pool->queued--;
	job = pool->head;
	pool->head = job->next;
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void
now_idle(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->idle++;
	pthread_mutex_unlock(&pool->lock);
}

static void *
worker(void *arg)
{
	for (;;) {
		struct job *job = next_job(arg);

		job->fn(job->arg);
		/* Idle first: the job's end may bring the next job. */
		now_idle(arg);
		job_done(job);
	}
	return NULL;
}

/* Signals are for the loop's thread. False: the system gives no thread. */
static bool
start_thread(struct pool *pool)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	err = pthread_create(&thread, &attr, worker, pool);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0) {
		log_warning("cannot start a worker thread: %s", strerror(err));
		return false;
	}
	pool->threads++;
	now_idle(pool);
	return true;
}

static void
submit(struct pool *pool, struct job *job)
{
	bool short_of_threads;

	pthread_mutex_lock(&pool->lock);
	if (pool->head)
		pool->tail->next = job;
	else
		pool->head = job;
	pool->tail = job;
	pool->queued++;
	short_of_threads = pool->queued > pool->idle;
	pthread_mutex_unlock(&pool->lock);
	if (short_of_threads && pool->threads < pool->max)
		start_thread(pool);
	sem_post(&pool->work);
}

static void
initialize(void)
{
	if (uv_async_init(fiber_loop(), &offload.wake, on_wake) != 0)
		log_fatal("cannot set up the waking of the event loop");
	for (size_t i = 0; i < FIBER_POOLS; i++) {
		pthread_mutex_init(&offload.pools[i].lock, NULL);
		sem_init(&offload.pools[i].work, 0, 0);
	}
	offload.initialized = true;
}

void
fiber_offload(enum fiber_pool which, void (*fn)(void *arg), void *arg)
{
	struct pool *pool = &offload.pools[which];
	struct fiber *self = fiber_self();
	struct job job = {.fn = fn, .arg = arg, .fiber = self};

	if (!offload.initialized)
		initialize();
	if (pool->threads == 0 && !start_thread(pool)) {
		/* Late is better than never. */
		fn(arg);
		return;
	}
	self->uncancelable = true;
	submit(pool, &job);
	/* Whoever else wakes this fiber: a thread has the job. */
	while (!job.ended)
		fiber_block(self, FIBER_FOREVER);
	self->uncancelable = false;
}

void
fiber_pool_size(enum fiber_pool which, unsigned threads)
{
	offload.pools[which].max = threads > 0 ? threads : 1;
}
