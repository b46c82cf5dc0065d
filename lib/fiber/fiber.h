/*
 * fiber - straight-line code for many sessions in one process
 *
 * A fiber is a stack and a place to go on from. It runs until it waits; then another one runs. All
 * fibers of a process share one thread, so between two waits nothing else changes the data. Every
 * function here that can wait says so; while it waits, other fibers run.
 *
 * Rules: no `static` buffers in functions that may wait; read errno (and OpenSSL's error queue) before
 * waiting; never wait inside a callback of a foreign library; nothing that may block the thread runs
 * on a fiber: fiber_offload() runs it in a worker thread.
 *
 * Stacks have 256 KiB of address space and a guard page; only touched pages cost memory, and a fiber
 * that has waited for about a second gives back what lies below its stack pointer.
 */
#ifndef POSTKEEP_FIBER_FIBER_H
#define POSTKEEP_FIBER_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"

struct fiber;

/* A point of clock_mono_ms(), in milliseconds. */
typedef int64_t fiber_deadline;
#define FIBER_FOREVER ((fiber_deadline)INT64_MAX)
/* MS milliseconds from now (of the loop's clock, read once a turn). */
fiber_deadline fiber_after(int64_t ms);
int64_t fiber_now(void);

enum fiber_result {
	FIBER_OK = 0,
	FIBER_TIMEOUT = -1,  /* the deadline passed */
	FIBER_CANCELED = -2, /* fiber_cancel() was called on this fiber */
};

/*
 * Runs FN(ARG) on the first fiber and the loop under it; returns when FN has returned or fiber_stop()
 * was called. Other fibers still waiting then are left as they are (the process is about to end).
 * Call once per process, from its only thread.
 */
void fiber_main(void (*fn)(void *arg), void *arg);
void fiber_stop(void);
bool fiber_running(void); /* is the caller on a fiber? */

/*
 * A new fiber, that begins when the caller waits. NAME (a literal) is for diagnostics. The struct is gone
 * when FN returns; nobody may use the pointer after that.
 */
struct fiber *fiber_spawn(const char *name, void (*fn)(void *arg), void *arg);
struct fiber *fiber_self(void);
size_t fiber_count(void);

/* Lets the others run once. */
void fiber_yield(void);
/* Waits. FIBER_TIMEOUT when the time has come, which is the usual end, or FIBER_CANCELED. */
enum fiber_result fiber_sleep(int64_t ms);

/*
 * Ends F's present wait, and each later one, with FIBER_CANCELED (fiber_offload() excepted, which
 * always waits for its end). F ends itself by returning.
 */
void fiber_cancel(struct fiber *f);
bool fiber_canceled(void);

/*
 * A descriptor that fibers wait for. At most one fiber waits at a time for each direction. The
 * descriptor is not closed by fiber_fd_free(), but must outlive it.
 */
struct fiber_fd;
#define FIBER_READ 1
#define FIBER_WRITE 2
struct fiber_fd *fiber_fd_new(int fd);
void fiber_fd_free(struct fiber_fd **ffd);
/*
 * Waits until FD is ready for one of EVENTS, or closed or in error (the next read or write tells).
 * It may be wrong now and then: after EAGAIN wait again. Makes the descriptor non-blocking. No two
 * struct fiber_fd may be waited for with the same descriptor. Cheap when called again and again for
 * the same event: the descriptor stays registered.
 */
enum fiber_result fiber_fd_wait(struct fiber_fd *ffd, int events, fiber_deadline deadline);

/*
 * A queue of fibers that wait for something to become true:
 *	while (!condition)
 *		if (fiber_wait(&q, deadline) != FIBER_OK) …
 */
struct fiber_waitq {
	struct list waiters;
};
void fiber_waitq_init(struct fiber_waitq *q);
enum fiber_result fiber_wait(struct fiber_waitq *q, fiber_deadline deadline);
/* Makes the first (every) waiter ready; it runs later this turn or the next. Does not wait itself. */
void fiber_wake_one(struct fiber_waitq *q);
void fiber_wake_all(struct fiber_waitq *q);

/*
 * Runs FN(ARG) in a worker thread and waits for its end. FN may block; it must not call anything of
 * lib/fiber. The pools are separate so that a few long jobs never stop the short ones.
 */
enum fiber_pool {
	FIBER_POOL_SYNC, /* small writes with their sync */
	FIBER_POOL_BULK, /* large writes and their sync */
	FIBER_POOL_READ, /* reads, look-ups */
	FIBER_POOLS,
};
void fiber_offload(enum fiber_pool pool, void (*fn)(void *arg), void *arg);
/*
 * Work that is cheaper when it is done together, such as syncs. FN runs in a worker thread, with the ARGs
 * of all fibers whose work came in the same turn or while a former job of the group was running, in that
 * order, but the piece of the fiber that begins the job first; each fiber waits for the end of the job that
 * had its own. As with fiber_offload(), FN may block, and the wait cannot be canceled. How many jobs run at
 * the same time follows from how long they take.
 */
#define FIBER_GROUP_MAX 16 /* pieces of work in one job */
struct fiber_group {
	enum fiber_pool pool;
	void (*fn)(void *const *args, size_t n);
	struct list waiting; /* group.c's own, like the rest */
	unsigned jobs;
	int64_t begun;   /* the last one, fiber_now() */
	int64_t each_us; /* what a piece took of late */
};
void fiber_group_init(
    struct fiber_group *g, enum fiber_pool pool, void (*fn)(void *const *args, size_t n));
void fiber_group_run(struct fiber_group *g, void *arg);
/* Threads a pool may have (defaults 32, 4, 8); threads start on demand. Before the first offload. */
void fiber_pool_size(enum fiber_pool pool, unsigned threads);

/*
 * FN runs on the loop (not on a fiber, it must not wait) after a signal arrived. Signals that are not
 * named keep their disposition; SIGPIPE is ignored by fiber_main().
 */
void fiber_on_signal(int signo, void (*fn)(int signo));
/* FN runs at the end of each turn of the loop, before it sleeps; must not wait. At most 4 of them. */
void fiber_at_turn_end(void (*fn)(void));

/* Share of the last second or so that the loop was busy, in percent. */
unsigned fiber_load(void);
/* Log a turn longer than this (default 100 ms, 0 = never); abort one longer than LIMIT s (0 = never). */
void fiber_watchdog(unsigned warn_ms, unsigned abort_s);

#endif
