/*
 * test_fiber - fibers: order, waits and their ends
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/fiber/fiber.h"

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

/* What each test shares with its fibers; set to zero before every test. */
static struct {
	char trace[256];
	size_t len;
	unsigned count;
	unsigned sum;
	struct fiber_waitq queue;
	struct fiber_waitq other;
	int fds[2];
	struct fiber_fd *ffd;
	enum fiber_result result;
	bool done;
	unsigned turns;
} t;

static int
reset(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	fiber_waitq_init(&t.queue);
	fiber_waitq_init(&t.other);
	return 0;
}

/* A character as a fiber's argument. */
static void *
letter(char c)
{
	return (void *)(uintptr_t)c;
}

static void
trace(char c)
{
	assert_true(t.len + 1 < sizeof(t.trace));
	t.trace[t.len++] = c;
}

/* Lets the others go on until no fiber but the first is left. */
static void
wait_for_others(void)
{
	while (fiber_count() > 1)
		fiber_sleep(1);
}

static void
open_pair(void)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, t.fds), 0);
	t.ffd = fiber_fd_new(t.fds[0]);
}

static void
close_pair(void)
{
	fiber_fd_free(&t.ffd);
	assert_null(t.ffd);
	close(t.fds[0]);
	close(t.fds[1]);
}

/* --- Order ------------------------------------------------------------------------------------ */

static void
yielder(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		trace((char)(uintptr_t)arg);
		fiber_yield();
	}
}

static void
order_main(void *arg)
{
	(void)arg;
	fiber_spawn("a", yielder, letter('a'));
	fiber_spawn("b", yielder, letter('b'));
	trace('m');
	assert_int_equal(fiber_count(), 3);
	wait_for_others();
}

static void
test_order(void **state)
{
	(void)state;
	assert_false(fiber_running());
	assert_null(fiber_self());
	fiber_main(order_main, NULL);
	assert_string_equal(t.trace, "mababab");
	assert_false(fiber_running());
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

static void
deep(void *arg)
{
	(void)arg;
	use_stack(40);
	t.done = true;
}

static void
deep_main(void *arg)
{
	(void)arg;
	fiber_spawn("deep", deep, NULL);
	wait_for_others();
}

static void
test_deep_stack(void **state)
{
	(void)state;
	fiber_main(deep_main, NULL);
	assert_true(t.done);
}

/* Registers that a call preserves, and the rounding mode, survive the switches. */
static void
calculator(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	unsigned a = seed, b = seed * 3, c = seed * 5, d = seed * 7, e = seed * 11, f = seed * 13;
	double x = seed;

	for (unsigned i = 0; i < 100; i++) {
		fiber_yield();
		a++, b += 2, c += 3, d += 4, e += 5, f += 6, x += 0.5;
	}
	assert_int_equal(a, seed + 100);
	assert_int_equal(b, seed * 3 + 200);
	assert_int_equal(c, seed * 5 + 300);
	assert_int_equal(d, seed * 7 + 400);
	assert_int_equal(e, seed * 11 + 500);
	assert_int_equal(f, seed * 13 + 600);
	assert_true(x == seed + 50.0);
	t.count++;
}

static void
many_main(void *arg)
{
	(void)arg;
	for (uintptr_t i = 0; i < 1000; i++)
		fiber_spawn("calculator", calculator, (void *)i);
	wait_for_others();
	/* The same again on used stacks. */
	for (uintptr_t i = 0; i < 1000; i++)
		fiber_spawn("calculator", calculator, (void *)i);
	wait_for_others();
}

static void
test_many(void **state)
{
	(void)state;
	fiber_main(many_main, NULL);
	assert_int_equal(t.count, 2000);
}

/* --- Sleep, deadlines --------------------------------------------------------------------------- */

static void
sleeper(void *arg)
{
	char c = (char)(uintptr_t)arg;

	assert_int_equal(fiber_sleep((c - '0') * 10), FIBER_TIMEOUT);
	trace(c);
}

static void
sleep_main(void *arg)
{
	static const char names[] = {'3', '1', '5', '2', '4'};
	int64_t begin = clock_mono_ms(), now;

	(void)arg;
	for (size_t i = 0; i < ARRAY(names); i++)
		fiber_spawn("sleeper", sleeper, letter(names[i]));
	wait_for_others();
	assert_true(clock_mono_ms() - begin >= 49);
	now = fiber_now();
	assert_true(now >= begin + 49 && now <= clock_mono_ms());
	assert_int_equal(fiber_sleep(0), FIBER_TIMEOUT);
	assert_int_equal(fiber_sleep(-5), FIBER_TIMEOUT);
	assert_true(fiber_after(INT64_MAX) == FIBER_FOREVER);
	assert_true(fiber_after(1000) == fiber_now() + 1000);
}

static void
test_sleep(void **state)
{
	(void)state;
	fiber_main(sleep_main, NULL);
	assert_string_equal(t.trace, "12345");
}

/* Deadlines in any order: each comes after the one before, and none comes early. */
static void
random_sleeper(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < 5; i++) {
		int64_t ms = rand_r(&seed) % 40, due = fiber_after(ms);

		assert_int_equal(fiber_wait(&t.queue, due + 1), FIBER_TIMEOUT);
		assert_true(fiber_now() > due);
		assert_true(fiber_now() < due + 2000);
	}
	t.count++;
}

static void
heap_main(void *arg)
{
	(void)arg;
	for (uintptr_t i = 1; i <= 500; i++)
		fiber_spawn("random sleeper", random_sleeper, (void *)i);
	wait_for_others();
}

static void
test_many_deadlines(void **state)
{
	(void)state;
	fiber_main(heap_main, NULL);
	assert_int_equal(t.count, 500);
}

/* A wait that ended early leaves nothing behind that ends a later one. */
static void
patient(void *arg)
{
	(void)arg;
	assert_int_equal(fiber_wait(&t.queue, fiber_after(20)), FIBER_OK);
	assert_int_equal(fiber_wait(&t.queue, fiber_after(60000)), FIBER_OK);
	assert_int_equal(fiber_wait(&t.queue, FIBER_FOREVER), FIBER_OK);
	assert_int_equal(fiber_wait(&t.queue, fiber_after(5)), FIBER_TIMEOUT);
	t.done = true;
}

static void
stale_main(void *arg)
{
	(void)arg;
	fiber_spawn("patient", patient, NULL);
	fiber_sleep(5);
	fiber_wake_one(&t.queue);
	fiber_sleep(40);
	fiber_wake_one(&t.queue);
	fiber_sleep(40);
	fiber_wake_one(&t.queue);
	wait_for_others();
}

static void
test_stale_deadline(void **state)
{
	(void)state;
	fiber_main(stale_main, NULL);
	assert_true(t.done);
}

/* --- Wait queues ---------------------------------------------------------------------------------- */

static void
waiter(void *arg)
{
	assert_int_equal(fiber_wait(&t.queue, FIBER_FOREVER), FIBER_OK);
	trace((char)(uintptr_t)arg);
}

static void
queue_main(void *arg)
{
	(void)arg;
	fiber_wake_one(&t.queue);
	fiber_wake_all(&t.queue);
	fiber_spawn("a", waiter, letter('a'));
	fiber_spawn("b", waiter, letter('b'));
	fiber_spawn("c", waiter, letter('c'));
	fiber_spawn("d", waiter, letter('d'));
	fiber_yield();
	assert_int_equal(t.len, 0);
	fiber_wake_one(&t.queue);
	fiber_wake_one(&t.queue);
	assert_int_equal(t.len, 0);
	fiber_yield();
	assert_string_equal(t.trace, "ab");
	fiber_wake_all(&t.queue);
	wait_for_others();
	assert_int_equal(fiber_wait(&t.queue, fiber_now()), FIBER_TIMEOUT);
	assert_int_equal(fiber_wait(&t.queue, fiber_after(3)), FIBER_TIMEOUT);
	assert_true(list_empty(&t.queue.waiters));
}

static void
test_wait_queue(void **state)
{
	(void)state;
	fiber_main(queue_main, NULL);
	assert_string_equal(t.trace, "abcd");
}

/* Two fibers that wake each other for ever do not keep a timer from coming. */
static void
ping(void *arg)
{
	struct fiber_waitq *mine = arg, *other = mine == &t.queue ? &t.other : &t.queue;

	while (!t.done) {
		t.count++;
		fiber_wake_one(other);
		fiber_wait(mine, FIBER_FOREVER);
	}
	fiber_wake_one(other);
}

static void
ping_main(void *arg)
{
	(void)arg;
	fiber_spawn("ping", ping, &t.queue);
	fiber_spawn("pong", ping, &t.other);
	assert_int_equal(fiber_sleep(20), FIBER_TIMEOUT);
	t.done = true;
	wait_for_others();
}

static void
test_endless_waking(void **state)
{
	(void)state;
	fiber_main(ping_main, NULL);
	assert_true(t.count > 2);
}

/* --- Descriptors ------------------------------------------------------------------------------------ */

static void
fd_reader(void *arg)
{
	char c;

	(void)arg;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, fiber_after(5000)), FIBER_OK);
		assert_int_equal(read(t.fds[0], &c, 1), 1);
		trace(c);
	}
}

static void
fd_main(void *arg)
{
	(void)arg;
	open_pair();
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_WRITE, fiber_after(5000)), FIBER_OK);
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, fiber_after(5)), FIBER_TIMEOUT);
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, fiber_now()), FIBER_TIMEOUT);
	fiber_spawn("reader", fd_reader, NULL);
	fiber_sleep(2);
	assert_int_equal(write(t.fds[1], "x", 1), 1);
	fiber_sleep(2);
	assert_string_equal(t.trace, "x");
	assert_int_equal(write(t.fds[1], "yz", 2), 2);
	wait_for_others();
	assert_string_equal(t.trace, "xyz");
	/* End of file counts as readable. */
	shutdown(t.fds[1], SHUT_WR);
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, fiber_after(5000)), FIBER_OK);
	close_pair();
}

static void
test_fd(void **state)
{
	(void)state;
	fiber_main(fd_main, NULL);
}

/* Data that comes while nobody waits is neither lost nor does it keep the loop awake. */
static void
count_turn(void)
{
	t.turns++;
}

static void
unwanted_main(void *arg)
{
	char c[2];
	unsigned before;

	(void)arg;
	open_pair();
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, fiber_after(2)), FIBER_TIMEOUT);
	assert_int_equal(write(t.fds[1], "x", 1), 1);
	before = t.turns;
	fiber_sleep(50);
	assert_true(t.turns - before < 10);
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, fiber_after(5000)), FIBER_OK);
	assert_int_equal(read(t.fds[0], c, 2), 1);
	/* The next wait is a real one again. */
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, fiber_after(5)), FIBER_TIMEOUT);
	assert_int_equal(write(t.fds[1], "y", 1), 1);
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, fiber_after(5000)), FIBER_OK);
	close_pair();
}

static void
test_unwanted_event(void **state)
{
	(void)state;
	fiber_at_turn_end(count_turn);
	fiber_main(unwanted_main, NULL);
}

/* One fiber reads, another one writes, on the same descriptor. */
static void
filler(void *arg)
{
	static const char block[4096];
	size_t left = 1 << 20;

	(void)arg;
	while (left > 0) {
		ssize_t n = write(t.fds[0], block, sizeof(block) < left ? sizeof(block) : left);

		if (n > 0)
			left -= (size_t)n;
		else
			assert_int_equal(
			    fiber_fd_wait(t.ffd, FIBER_WRITE, fiber_after(5000)), FIBER_OK);
	}
	t.done = true;
}

static void
drainer(void *arg)
{
	struct fiber_fd *ffd = fiber_fd_new(t.fds[1]);
	char block[8192];
	size_t got = 0;

	(void)arg;
	while (got < 1 << 20) {
		ssize_t n = read(t.fds[1], block, sizeof(block));

		if (n > 0)
			got += (size_t)n;
		else
			assert_int_equal(
			    fiber_fd_wait(ffd, FIBER_READ, fiber_after(5000)), FIBER_OK);
	}
	assert_int_equal(write(t.fds[1], "xyz", 3), 3);
	fiber_fd_free(&ffd);
}

static void
duplex_main(void *arg)
{
	(void)arg;
	open_pair();
	fiber_spawn("reader", fd_reader, NULL);
	fiber_spawn("filler", filler, NULL);
	fiber_spawn("drainer", drainer, NULL);
	wait_for_others();
	close_pair();
}

static void
test_both_directions(void **state)
{
	(void)state;
	fiber_main(duplex_main, NULL);
	assert_true(t.done);
	assert_string_equal(t.trace, "xyz");
}

/* What epoll cannot watch is always ready. */
static void
file_main(void *arg)
{
	int fd = open("/dev/null", O_RDWR);
	struct fiber_fd *ffd = fiber_fd_new(fd);

	(void)arg;
	assert_int_equal(fiber_fd_wait(ffd, FIBER_READ, fiber_after(1000)), FIBER_OK);
	assert_int_equal(fiber_fd_wait(ffd, FIBER_WRITE, fiber_after(1000)), FIBER_OK);
	fiber_fd_free(&ffd);
	fiber_fd_free(&ffd);
	close(fd);
}

static void
test_unpollable(void **state)
{
	(void)state;
	fiber_main(file_main, NULL);
}

/* --- Cancel ----------------------------------------------------------------------------------------- */

static void
work_20ms(void *arg)
{
	(void)arg;
	usleep(20000);
	t.sum++;
}

/* Each kind of wait, in a fiber that is canceled meanwhile. */
static void
wait_kind(void *arg)
{
	switch ((char)(uintptr_t)arg) {
	case 's':
		t.result = fiber_sleep(60000);
		break;
	case 'q':
		t.result = fiber_wait(&t.queue, FIBER_FOREVER);
		break;
	case 'd':
		t.result = fiber_wait(&t.queue, fiber_after(60000));
		break;
	case 'r':
		t.result = fiber_fd_wait(t.ffd, FIBER_READ, FIBER_FOREVER);
		break;
	case 'o':
		fiber_offload(FIBER_POOL_READ, work_20ms, NULL);
		assert_int_equal(t.sum, 1);
		t.result = FIBER_CANCELED;
		break;
	}
	/* It sticks, in every kind of wait but one. */
	assert_true(fiber_canceled());
	assert_int_equal(fiber_sleep(60000), FIBER_CANCELED);
	assert_int_equal(fiber_sleep(0), FIBER_CANCELED);
	assert_int_equal(fiber_wait(&t.queue, FIBER_FOREVER), FIBER_CANCELED);
	assert_int_equal(fiber_fd_wait(t.ffd, FIBER_READ, FIBER_FOREVER), FIBER_CANCELED);
	t.sum = 0;
	fiber_offload(FIBER_POOL_READ, work_20ms, NULL);
	assert_int_equal(t.sum, 1);
	fiber_yield();
	t.done = true;
}

static void
cancel_main(void *arg)
{
	struct fiber *f;

	open_pair();
	f = fiber_spawn("canceled", wait_kind, arg);
	fiber_sleep(2);
	assert_false(fiber_canceled());
	fiber_cancel(f);
	fiber_cancel(f);
	wait_for_others();
	assert_int_equal(t.result, FIBER_CANCELED);
	assert_true(t.done);
	assert_true(list_empty(&t.queue.waiters));
	close_pair();
}

static void
test_cancel(void **state)
{
	static const char kinds[] = {'s', 'q', 'd', 'r', 'o'};

	for (size_t i = 0; i < ARRAY(kinds); i++) {
		reset(state);
		fiber_main(cancel_main, letter(kinds[i]));
	}
}

/* Before it has run at all, and when it was woken but has not run yet. */
static void
early(void *arg)
{
	(void)arg;
	t.result = fiber_wait(&t.queue, FIBER_FOREVER);
	trace(t.result == FIBER_OK ? 'o' : 'c');
	trace(fiber_wait(&t.queue, FIBER_FOREVER) == FIBER_OK ? 'o' : 'c');
}

static void
cancel_early_main(void *arg)
{
	struct fiber *f;

	(void)arg;
	fiber_cancel(fiber_spawn("early", early, NULL));
	wait_for_others();
	assert_string_equal(t.trace, "cc");
	f = fiber_spawn("early", early, NULL);
	fiber_yield();
	fiber_wake_one(&t.queue);
	fiber_cancel(f);
	wait_for_others();
	assert_string_equal(t.trace, "ccoc");
}

static void
test_cancel_early(void **state)
{
	(void)state;
	fiber_main(cancel_early_main, NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_order, reset),
	    cmocka_unit_test_setup(test_deep_stack, reset),
	    cmocka_unit_test_setup(test_many, reset),
	    cmocka_unit_test_setup(test_sleep, reset),
	    cmocka_unit_test_setup(test_many_deadlines, reset),
	    cmocka_unit_test_setup(test_stale_deadline, reset),
	    cmocka_unit_test_setup(test_wait_queue, reset),
	    cmocka_unit_test_setup(test_endless_waking, reset),
	    cmocka_unit_test_setup(test_fd, reset),
	    cmocka_unit_test_setup(test_unwanted_event, reset),
	    cmocka_unit_test_setup(test_both_directions, reset),
	    cmocka_unit_test_setup(test_unpollable, reset),
	    cmocka_unit_test_setup(test_cancel, reset),
	    cmocka_unit_test_setup(test_cancel_early, reset),
	};

	/* A failure on a fiber's stack must not jump to the test's. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fiber_watchdog(0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
