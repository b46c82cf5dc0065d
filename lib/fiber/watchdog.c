/*
 * watchdog - how long the loop's turns take
 *
 * Two clock readings a turn give the load and the warning about a long turn. A turn that does not end
 * at all is seen by a helper thread. It sleeps without end while the loop is idle; the first turn after
 * that wakes it, and it looks again from time to time while there are turns.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/fiber/internal.h"

#define LOAD_WINDOW_NS 1000000000
/* A stopped process must not look like a stuck one: so many looks, not just so much time. */
#define LOOKS 8
#define HELPER_STACK ((size_t)128 * 1024)
/* Long enough to write a last line to the log. */
#define LAST_WORDS_S 5
#define WARN_PAUSE_NS (1000 * (uint64_t)1000000)

static struct {
	unsigned warn_ms;
	unsigned abort_s;
	uint64_t began;  /* this turn */
	uint64_t warned; /* the last warning */
	uint64_t window; /* begin of the window for the load */
	uint64_t busy;   /* in this window */
	unsigned load;   /* percent of the last window */
	bool helper_failed;
	bool helper_runs;
	_Atomic unsigned turn; /* odd: a turn is running */
	_Atomic bool parked;   /* the helper sleeps */
	pthread_mutex_t lock;
	pthread_cond_t wake;
} watchdog = {.warn_ms = 100, .lock = PTHREAD_MUTEX_INITIALIZER};

/* On the helper: sleeps until a turn begins. */
static void
park(void)
{
	pthread_mutex_lock(&watchdog.lock);
	atomic_store(&watchdog.parked, true);
	if (!(atomic_load(&watchdog.turn) & 1))
		while (atomic_load(&watchdog.parked))
			pthread_cond_wait(&watchdog.wake, &watchdog.lock);
	atomic_store(&watchdog.parked, false);
	pthread_mutex_unlock(&watchdog.lock);
}

static void
bark(void)
{
	/* If the log hangs as well, the alarm ends the process. */
	signal(SIGALRM, SIG_DFL);
	alarm(LAST_WORDS_S);
	log_error("the event loop has been stuck for %u seconds: aborting", watchdog.abort_s);
	log_flush();
	abort();
}

static void *
helper(void *arg)
{
	uint64_t step = (uint64_t)watchdog.abort_s * 1000000000 / LOOKS;
	struct timespec pause = {
	    .tv_sec = (time_t)(step / 1000000000),
	    .tv_nsec = (long)(step % 1000000000),
	};
	unsigned seen = 0, looks = 0;

	(void)arg;
	for (;;) {
		unsigned turn = atomic_load(&watchdog.turn);

		if (turn != seen) {
			seen = turn;
			looks = 0;
		} else if (!(turn & 1)) {
			park();
			continue;
		} else if (++looks >= LOOKS) {
			bark();
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void
start_helper(void)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	sigfillset(&all);
	sigdelset(&all, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_cond_init(&watchdog.wake, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, HELPER_STACK);
	err = pthread_create(&thread, &attr, helper, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	watchdog.helper_runs = err == 0;
	watchdog.helper_failed = err != 0;
	if (err != 0)
		log_warning("cannot start the watchdog's thread: %s", strerror(err));
}

static void
wake_helper(void)
{
	pthread_mutex_lock(&watchdog.lock);
	atomic_store(&watchdog.parked, false);
	pthread_cond_signal(&watchdog.wake);
	pthread_mutex_unlock(&watchdog.lock);
}

void
fiber_turn_begin(void)
{
	uint64_t now = uv_hrtime(), span;

	watchdog.began = now;
	if (watchdog.window == 0)
		watchdog.window = now;
	span = now - watchdog.window;
	if (span >= LOAD_WINDOW_NS) {
		watchdog.load = (unsigned)(watchdog.busy * 100 / span);
		watchdog.busy = 0;
		watchdog.window = now;
	}
	atomic_fetch_add(&watchdog.turn, 1);
	if (watchdog.abort_s == 0)
		return;
	if (!watchdog.helper_runs && !watchdog.helper_failed)
		start_helper();
	if (atomic_load(&watchdog.parked))
		wake_helper();
}

void
fiber_turn_end(const char *last, unsigned runs)
{
	uint64_t now = uv_hrtime(), took = now - watchdog.began;

	atomic_fetch_add(&watchdog.turn, 1);
	watchdog.busy += took;
	if (watchdog.warn_ms == 0 || took <= (uint64_t)watchdog.warn_ms * 1000000)
		return;
	if (watchdog.warned != 0 && now - watchdog.warned < WARN_PAUSE_NS)
		return;
	watchdog.warned = now;
	log_warning("the event loop was held up for %u ms (%u runs of fibers, the last was %s)",
	    (unsigned)(took / 1000000), runs, last);
}

unsigned
fiber_load(void)
{
	return watchdog.load < 100 ? watchdog.load : 100;
}

void
fiber_watchdog(unsigned warn_ms, unsigned abort_s)
{
	watchdog.warn_ms = warn_ms;
	watchdog.abort_s = abort_s;
}
