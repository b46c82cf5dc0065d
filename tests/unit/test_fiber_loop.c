/*
 * test_fiber_loop - worker threads, signals, load, idleness, watchdog
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/fiber/fiber.h"

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

/* What each test shares with its fibers; set to zero before every test. */
static struct {
	unsigned count;
	struct fiber_waitq queue;
	int fds[2];
	bool done;
	unsigned turns;
	int signo;
} t;

static int
reset(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	fiber_waitq_init(&t.queue);
	return 0;
}

/* Lets the others go on until no fiber but the first is left. */
static void
wait_for_others(void)
{
	while (fiber_count() > 1)
		fiber_sleep(1);
}

static __attribute__((noinline)) void
use_stack(unsigned depth)
{
	char page[4096];

	memset(page, (int)depth, sizeof(page));
	/* The compiler must believe that somebody reads it. */
	__asm__ volatile("" : : "r"(page) : "memory");
	if (depth > 0)
		use_stack(depth - 1);
	assert_int_equal((unsigned char)page[100], (unsigned char)depth);
}

/* --- Worker threads ----------------------------------------------------------------------------------- */

static atomic_uint running, most;

static void
work_and_count(void *arg)
{
	unsigned now = atomic_fetch_add(&running, 1) + 1, seen = atomic_load(&most);

	while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
		continue;
	usleep(30000);
	atomic_fetch_sub(&running, 1);
	*(int *)arg = 1;
}

struct offloader {
	enum fiber_pool pool;
	void (*fn)(void *arg);
};

static void
offloader(void *arg)
{
	const struct offloader *o = arg;
	int ran = 0;

	fiber_offload(o->pool, o->fn, &ran);
	assert_int_equal(ran, 1);
	t.count++;
}

static void
offload_main(void *arg)
{
	static const struct offloader bulk = {FIBER_POOL_BULK, work_and_count};

	(void)arg;
	for (unsigned i = 0; i < 20; i++)
		fiber_spawn("offloader", offloader, (void *)(uintptr_t)&bulk);
	/* The first fiber is not held up. */
	assert_int_equal(fiber_sleep(5), FIBER_TIMEOUT);
	assert_int_equal(t.count, 0);
	wait_for_others();
}

static void
test_offload(void **state)
{
	int64_t begin = clock_mono_ms();

	(void)state;
	atomic_store(&most, 0);
	fiber_main(offload_main, NULL);
	assert_int_equal(t.count, 20);
	/* Four threads: not fewer, and never more. */
	assert_int_equal(atomic_load(&most), 4);
	assert_true(clock_mono_ms() - begin >= 5 * 30);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void
work_behind_gate(void *arg)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	*(int *)arg = 1;
}

static void
work_at_once(void *arg)
{
	*(int *)arg = 1;
}

static void
pools_main(void *arg)
{
	static const struct offloader bulk = {FIBER_POOL_BULK, work_behind_gate};
	static const struct offloader sync = {FIBER_POOL_SYNC, work_at_once};
	static const struct offloader look = {FIBER_POOL_READ, work_at_once};

	(void)arg;
	pthread_mutex_lock(&gate);
	for (unsigned i = 0; i < 8; i++)
		fiber_spawn("bulk", offloader, (void *)(uintptr_t)&bulk);
	fiber_sleep(2);
	for (unsigned i = 0; i < 1000; i++) {
		offloader((void *)(uintptr_t)&sync);
		offloader((void *)(uintptr_t)&look);
	}
	assert_int_equal(t.count, 2000);
	assert_int_equal(fiber_count(), 9);
	pthread_mutex_unlock(&gate);
	wait_for_others();
	assert_int_equal(t.count, 2008);
}

static void
test_pools_are_separate(void **state)
{
	(void)state;
	fiber_main(pools_main, NULL);
}

static void
small_offloader(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 20; i++)
		offloader(&(struct offloader){FIBER_POOL_SYNC, work_at_once});
}

static void
many_offloads_main(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 300; i++)
		fiber_spawn("small", small_offloader, NULL);
	wait_for_others();
}

static void
test_many_offloads(void **state)
{
	(void)state;
	fiber_main(many_offloads_main, NULL);
	assert_int_equal(t.count, 6000);
}

/* --- Work done together -------------------------------------------------------------------------------- */

/* A piece of work: in which job of its group it was done, and as which of how many. */
struct piece {
	unsigned number, job, place, of;
	unsigned done; /* how often */
};

static struct fiber_group group;
static atomic_uint group_jobs;
static unsigned group_held = 1;

/* The first jobs wait at the gate, so that others come meanwhile. */
static void
work_together(void *const *args, size_t n)
{
	unsigned job = atomic_fetch_add(&group_jobs, 1) + 1;

	if (job <= group_held) {
		pthread_mutex_lock(&gate);
		pthread_mutex_unlock(&gate);
	}
	for (size_t i = 0; i < n; i++) {
		struct piece *p = args[i];

		*p = (struct piece){p->number, job, (unsigned)i, (unsigned)n, p->done + 1};
	}
}

static void
group_member(void *arg)
{
	struct piece *p = arg;

	fiber_group_run(&group, p);
	assert_int_equal(p->done, 1);
	t.count++;
}

static void
group_main(void *arg)
{
	struct piece first[3] = {{0}}, later[FIBER_GROUP_MAX + 4] = {{0}};

	(void)arg;
	fiber_group_init(&group, FIBER_POOL_SYNC, work_together);
	pthread_mutex_lock(&gate);
	for (unsigned i = 0; i < ARRAY(first); i++)
		fiber_spawn("first", group_member, &first[i]);
	fiber_yield();
	for (unsigned i = 0; i < ARRAY(later); i++) {
		later[i].number = i;
		fiber_spawn("later", group_member, &later[i]);
	}
	fiber_yield();
	pthread_mutex_unlock(&gate);
	wait_for_others();
	assert_int_equal(t.count, ARRAY(first) + ARRAY(later));
	/* Those of one turn are in one job; what came during it is in the next, as much as fits. */
	for (unsigned i = 0; i < ARRAY(first); i++) {
		assert_int_equal(first[i].job, 1);
		assert_int_equal(first[i].place, i);
		assert_int_equal(first[i].of, ARRAY(first));
	}
	for (unsigned i = 0; i < ARRAY(later); i++) {
		assert_int_equal(later[i].job, i < FIBER_GROUP_MAX ? 2 : 3);
		assert_int_equal(later[i].place, i % FIBER_GROUP_MAX);
	}
}

static void
test_group(void **state)
{
	(void)state;
	atomic_store(&group_jobs, 0);
	fiber_main(group_main, NULL);
}

static void
stuck_group_main(void *arg)
{
	struct piece stuck = {0}, late[2] = {{0}};
	struct fiber *f;

	(void)arg;
	fiber_group_init(&group, FIBER_POOL_SYNC, work_together);
	pthread_mutex_lock(&gate);
	f = fiber_spawn("stuck", group_member, &stuck);
	fiber_sleep(100);
	/* The job before has not ended, but hangs: another one is begun. */
	fiber_spawn("late", group_member, &late[0]);
	while (late[0].done == 0)
		fiber_sleep(1);
	assert_int_equal(stuck.done, 0);
	/* A thread has the piece, so its fiber stays. */
	fiber_cancel(f);
	fiber_sleep(5);
	assert_int_equal(t.count, 1);
	pthread_mutex_unlock(&gate);
	wait_for_others();
	fiber_group_run(&group, &late[1]);
	assert_int_equal(stuck.done + late[0].done + late[1].done, 3);
	assert_int_equal(t.count, 2);
}

static void
test_stuck_group(void **state)
{
	(void)state;
	atomic_store(&group_jobs, 0);
	fiber_main(stuck_group_main, NULL);
}

/*
 * More have come than one job takes, and the one that begins it came last. Another job, which ends before,
 * wakes nobody whose piece is in the first.
 */
static void
crowded_group_main(void *arg)
{
	struct piece stuck = {0}, many[FIBER_GROUP_MAX + 4] = {{0}}, last = {0}, next = {0};

	(void)arg;
	fiber_group_init(&group, FIBER_POOL_SYNC, work_together);
	pthread_mutex_lock(&gate);
	fiber_spawn("stuck", group_member, &stuck);
	fiber_yield();
	for (unsigned i = 0; i < ARRAY(many); i++)
		fiber_spawn("many", group_member, &many[i]);
	fiber_sleep(100);
	fiber_spawn("last", group_member, &last);
	fiber_sleep(100);
	fiber_spawn("next", group_member, &next);
	while (next.done == 0)
		fiber_sleep(1);
	fiber_sleep(5);
	/* The two jobs at the gate have one piece and as many as a job takes. */
	assert_int_equal(t.count, ARRAY(many) + 3 - FIBER_GROUP_MAX - 1);
	pthread_mutex_unlock(&gate);
	wait_for_others();
	assert_int_equal(t.count, ARRAY(many) + 3);
	assert_int_equal(last.place, 0);
}

static void
test_crowded_group(void **state)
{
	(void)state;
	atomic_store(&group_jobs, 0);
	group_held = 2;
	fiber_main(crowded_group_main, NULL);
	group_held = 1;
}

/* The slower the work, the more jobs at a time: a slow disk is kept busy. */
static void
slow_work(void *const *args, size_t n)
{
	for (size_t i = 0; i < n; i++)
		work_and_count(args[i]);
}

static void
slow_member(void *arg)
{
	int ran = 0;

	(void)arg;
	fiber_group_run(&group, &ran);
	assert_int_equal(ran, 1);
	t.count++;
}

static void
slow_group_main(void *arg)
{
	(void)arg;
	fiber_group_init(&group, FIBER_POOL_SYNC, slow_work);
	for (unsigned i = 0; i < 10; i++) {
		fiber_spawn("slow", slow_member, NULL);
		fiber_sleep(10);
	}
	wait_for_others();
	assert_int_equal(t.count, 10);
	assert_true(atomic_load(&most) >= 3);
}

static void
test_slow_group(void **state)
{
	(void)state;
	atomic_store(&most, 0);
	fiber_main(slow_group_main, NULL);
}

/* --- Loop -------------------------------------------------------------------------------------------- */

static void
on_signal(int signo)
{
	assert_false(fiber_running());
	t.signo = signo;
	fiber_wake_one(&t.queue);
}

static void
signal_main(void *arg)
{
	(void)arg;
	fiber_on_signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	assert_int_equal(fiber_wait(&t.queue, fiber_after(5000)), FIBER_OK);
	assert_int_equal(t.signo, SIGUSR1);
	/* SIGPIPE is an error of write(), not an end. */
	assert_int_equal(pipe(t.fds), 0);
	close(t.fds[0]);
	assert_int_equal(write(t.fds[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(t.fds[1]);
}

static void
test_signal(void **state)
{
	(void)state;
	fiber_main(signal_main, NULL);
}

static void
endless(void *arg)
{
	(void)arg;
	while (!t.done)
		fiber_sleep(5);
}

static void
stop_main(void *arg)
{
	(void)arg;
	fiber_spawn("endless", endless, NULL);
	fiber_sleep(2);
	fiber_stop();
	fiber_wait(&t.queue, fiber_after(20));
}

static void
finish_main(void *arg)
{
	(void)arg;
	t.done = true;
	while (fiber_count() > 1)
		fiber_sleep(1);
}

static void
test_stop(void **state)
{
	(void)state;
	fiber_main(stop_main, NULL);
	assert_int_equal(fiber_count(), 2);
	assert_false(fiber_running());
	/* Go on with them, so that the next test begins with none. */
	fiber_main(finish_main, NULL);
	assert_int_equal(fiber_count(), 0);
}

static void
burn(int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until)
		continue;
}

static void
load_main(void *arg)
{
	(void)arg;
	/* The window that is looked at may have begun before; the next one has not. */
	for (unsigned i = 0; i < 45; i++) {
		burn(50);
		fiber_yield();
	}
	assert_in_range(fiber_load(), 90, 100);
	fiber_sleep(1100);
	fiber_sleep(1100);
	assert_in_range(fiber_load(), 0, 10);
}

static void
test_load(void **state)
{
	(void)state;
	fiber_main(load_main, NULL);
}

/* A deadline that passes while a turn takes long is seen before the loop sleeps again. */
static void
short_sleeper(void *arg)
{
	(void)arg;
	assert_int_equal(fiber_sleep(2), FIBER_TIMEOUT);
	fiber_wake_all(&t.queue);
}

static void
overdue_main(void *arg)
{
	int64_t begin = clock_mono_ms();

	(void)arg;
	fiber_spawn("short sleeper", short_sleeper, NULL);
	fiber_yield();
	burn(10);
	assert_int_equal(fiber_wait(&t.queue, fiber_after(400)), FIBER_OK);
	assert_true(clock_mono_ms() - begin < 300);
	wait_for_others();
}

static void
test_overdue(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		fiber_main(overdue_main, NULL);
}

/* What comes in time is no timeout, even if the loop sees it late. */
static void
late_reader(void *arg)
{
	struct fiber_fd *ffd = fiber_fd_new(t.fds[0]);

	(void)arg;
	assert_int_equal(fiber_fd_wait(ffd, FIBER_READ, fiber_after(150)), FIBER_OK);
	fiber_fd_free(&ffd);
}

static void
late_main(void *arg)
{
	(void)arg;
	assert_int_equal(pipe(t.fds), 0);
	fiber_spawn("late reader", late_reader, NULL);
	fiber_yield();
	assert_int_equal(write(t.fds[1], "x", 1), 1);
	burn(200);
	wait_for_others();
	close(t.fds[0]);
	close(t.fds[1]);
}

static void
test_late_event(void **state)
{
	(void)state;
	fiber_main(late_main, NULL);
}

/* An idle process sleeps: after the sweep there are no turns any more. */
static void
idle_waiter(void *arg)
{
	(void)arg;
	use_stack(10);
	fiber_wait(&t.queue, FIBER_FOREVER);
	use_stack(10);
}

static size_t
resident_pages(const char *around)
{
	const size_t size = 128 * 1024;
	uintptr_t top = ((uintptr_t)around & ~(uintptr_t)4095) + 4096;
	unsigned char in_core[128 * 1024 / 4096];
	size_t n = 0;

	assert_int_equal(mincore((void *)(top - size), size, in_core), 0);
	for (size_t i = 0; i < ARRAY(in_core); i++)
		n += in_core[i] & 1;
	return n;
}

/* Data that comes while nobody waits is neither lost nor does it keep the loop awake. */
static void
count_turn(void)
{
	t.turns++;
}

static void
idle_main(void *arg)
{
	struct fiber *f = fiber_spawn("idle", idle_waiter, NULL);
	unsigned before;

	(void)arg;
	fiber_sleep(1);
	assert_true(resident_pages((char *)f) >= 10);
	fiber_sleep(3500);
	assert_true(resident_pages((char *)f) <= 2);
	before = t.turns;
	fiber_sleep(1500);
	/* One for the end of the sleep, and those for the sweep of this fiber's own stack. */
	assert_true(t.turns - before <= 4);
	fiber_wake_all(&t.queue);
	wait_for_others();
}

static void
test_idle(void **state)
{
	(void)state;
	fiber_at_turn_end(count_turn);
	fiber_main(idle_main, NULL);
}

/* --- Watchdog: in a child, whose words are read -------------------------------------------------------- */

static void
warn_main(void *arg)
{
	(void)arg;
	fiber_sleep(1);
	burn(60);
	fiber_sleep(1);
}

static void
stuck_main(void *arg)
{
	(void)arg;
	fiber_sleep(1);
	burn(20000);
}

/* Runs FN under a watchdog in a child; its log goes to TEXT. Returns its wait status. */
static int
run_child(void (*fn)(void *arg), unsigned warn_ms, unsigned abort_s, char *text, size_t size)
{
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		fiber_watchdog(warn_ms, abort_s);
		fiber_main(fn, NULL);
		_exit(0);
	}
	close(fds[1]);
	while (len + 1 < size && (n = read(fds[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
test_watchdog(void **state)
{
	char text[4096];
	int status;

	(void)state;
	status = run_child(warn_main, 40, 0, text, sizeof(text));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_non_null(strstr(text, "the event loop was held up for"));
	assert_non_null(strstr(text, "the last was main"));
	status = run_child(warn_main, 5000, 10, text, sizeof(text));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_string_equal(text, "");
	status = run_child(stuck_main, 0, 1, text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "stuck for 1 seconds"));
}

int
main(void)
{
	/* The watchdog's children come first: they need a process without a loop and threads. */
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_watchdog, reset),
	    cmocka_unit_test_setup(test_offload, reset),
	    cmocka_unit_test_setup(test_pools_are_separate, reset),
	    cmocka_unit_test_setup(test_many_offloads, reset),
	    cmocka_unit_test_setup(test_group, reset),
	    cmocka_unit_test_setup(test_stuck_group, reset),
	    cmocka_unit_test_setup(test_crowded_group, reset),
	    cmocka_unit_test_setup(test_slow_group, reset),
	    cmocka_unit_test_setup(test_signal, reset),
	    cmocka_unit_test_setup(test_stop, reset),
	    cmocka_unit_test_setup(test_load, reset),
	    cmocka_unit_test_setup(test_overdue, reset),
	    cmocka_unit_test_setup(test_late_event, reset),
	    cmocka_unit_test_setup(test_idle, reset),
	};

	/* A failure on a fiber's stack must not jump to the test's. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fiber_watchdog(0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
