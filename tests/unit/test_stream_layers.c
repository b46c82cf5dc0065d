/*
 * test_stream_layers - what lies under a stream: another layer, memory, two descriptors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fiber/stream.h"
#include "tests/unit/stream_fixture.h"

/* A layer that swaps the case ('*' gives LF), writes at every other call, and counts. */
struct layer {
	int fd;
	unsigned calls;
	unsigned closed;
};

static ssize_t
layer_read(void *ctx, void *data, size_t n, int *wait_for)
{
	struct layer *l = ctx;
	ssize_t got;

	*wait_for = FIBER_READ;
	/* Not more than a few bytes at a time, as records have bounds. */
	got = read(l->fd, data, n < 4 ? n : 4);
	for (ssize_t i = 0; i < got; i++)
		((char *)data)[i] ^= 0x20;
	return got;
}

static ssize_t
layer_write(void *ctx, const void *data, size_t n, int *wait_for)
{
	struct layer *l = ctx;
	char c = (char)(*(const char *)data ^ 0x20);

	(void)n;
	if (l->calls++ % 2 == 0) {
		*wait_for = FIBER_WRITE;
		errno = EAGAIN;
		return -1;
	}
	return write(l->fd, &c, 1);
}

static void
layer_close(void *ctx)
{
	((struct layer *)ctx)->closed++;
}

static const struct stream_io layer_io = {layer_read, layer_write, layer_close};

static void
layer_main(void *arg)
{
	struct layer layer = {0};
	struct str line;
	char back[8];

	(void)arg;
	open_pair(SOCK_STREAM);
	layer.fd = t.fds[0];
	assert_int_equal(stream_get_fd(t.s), t.fds[0]);
	assert_int_equal(write(t.fds[1], "GO\ninjected\n", 12), 12);
	assert_int_equal(stream_read_line(t.s, 10, &line), STREAM_OK);
	/* What came in clear does not survive. */
	assert_int_equal(stream_set_io(t.s, &layer_io, &layer), 9);
	assert_int_equal(stream_buffered(t.s), 0);
	assert_false(stream_readable(t.s));
	assert_int_equal(stream_wait(t.s, FIBER_WRITE), STREAM_OK);
	t.input = STR("HELLO*AGAIN*");
	t.piece = 5;
	fiber_spawn("writer", writer, NULL);
	assert_int_equal(stream_read_line(t.s, 20, &line), STREAM_OK);
	assert_true(str_eq(line, STR("hello\n")));
	assert_int_equal(stream_read_line(t.s, 20, &line), STREAM_OK);
	assert_true(str_eq(line, STR("again\n")));
	assert_int_equal(stream_puts(t.s, "ABC"), STREAM_OK);
	assert_int_equal(stream_flush(t.s), STREAM_OK);
	assert_int_equal(read(t.fds[1], back, sizeof(back)), 3);
	assert_memory_equal(back, "abc", 3);
	wait_for_others();
	close_pair();
	assert_int_equal(layer.closed, 1);
}

static void
test_layer(void **state)
{
	(void)state;
	fiber_main(layer_main, NULL);
}

static void
test_memory(void **state)
{
	struct buf out = {0};
	struct stream *s = stream_memory(STR("in\n"), &out);
	struct str line;

	(void)state;
	assert_int_equal(stream_get_fd(s), -1);
	assert_true(stream_readable(s));
	assert_int_equal(stream_read_line(s, 10, &line), STREAM_OK);
	assert_true(stream_readable(s));
	assert_int_equal(stream_read_some(s, 10, &line), STREAM_EOF);
	assert_int_equal(stream_puts(s, "out"), STREAM_OK);
	assert_int_equal(out.len, 0);
	assert_int_equal(stream_flush(s), STREAM_OK);
	assert_true(str_eq(buf_view(&out), STR("out")));
	assert_int_equal(stream_send_fd(s, 0), STREAM_ERROR);
	assert_int_equal(stream_take_fd(s), -1);
	stream_close(&s);
	stream_close(&s);
	buf_free(&out);
	s = stream_memory(STR_EMPTY, NULL);
	assert_int_equal(stream_puts(s, "thrown away"), STREAM_OK);
	assert_int_equal(stream_flush(s), STREAM_OK);
	stream_close(&s);
	/* A layer over memory cannot wait. */
	s = stream_memory(STR_EMPTY, NULL);
	assert_int_equal(stream_wait(s, FIBER_READ), STREAM_ERROR);
	stream_close(&s);
}

/* Two pipes; the modes are as before at the end, and nothing is closed. */
static void
pair_main(void *arg)
{
	int in[2], out[2];
	struct stream *s;
	struct str line;
	char back[8];

	(void)arg;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	s = stream_fd_pair(in[0], out[1]);
	assert_true(fcntl(in[0], F_GETFL) & O_NONBLOCK);
	stream_timeout(s, 10);
	assert_int_equal(stream_puts(s, "answer"), STREAM_OK);
	assert_int_equal(stream_flush(s), STREAM_OK);
	assert_int_equal(read(out[0], back, sizeof(back)), 6);
	assert_int_equal(write(in[1], "line\n", 5), 5);
	assert_int_equal(stream_read_line(s, 10, &line), STREAM_OK);
	assert_int_equal(stream_read_line(s, 10, &line), STREAM_TIMEOUT);
	stream_close(&s);
	assert_false(fcntl(in[0], F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(out[1], F_GETFL) & O_NONBLOCK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(close(in[i]) + close(out[i]), 0);
	/* A file cannot be waited for, and can be read all the same. */
	in[0] = open("/dev/zero", O_RDONLY);
	out[1] = open("/dev/null", O_WRONLY);
	s = stream_fd_pair(in[0], out[1]);
	assert_int_equal(stream_read_some(s, 10, &line), STREAM_OK);
	assert_int_equal(line.len, 10);
	assert_int_equal(stream_puts(s, "answer"), STREAM_OK);
	assert_int_equal(stream_flush(s), STREAM_OK);
	stream_close(&s);
	assert_int_equal(close(in[0]) + close(out[1]), 0);
}

static void
test_pair(void **state)
{
	(void)state;
	fiber_main(pair_main, NULL);
}

/* Others have their turns, and deadlines hold, although the peer is ready at any moment. */
static struct {
	unsigned turns;
	bool done;
} other;

static void
count_turns(void *arg)
{
	(void)arg;
	while (!other.done) {
		other.turns++;
		fiber_yield();
	}
}

static void
greedy_main(void *arg)
{
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	struct stream *s = stream_fd_pair(zero, null);
	char piece[8192] = {0};
	struct str chunk;

	(void)arg;
	fiber_spawn("other", count_turns, NULL);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(stream_read_some(s, sizeof(piece), &chunk), STREAM_OK);
	assert_in_range(other.turns, 50, 1000);
	other.turns = 0;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(stream_write(s, piece, sizeof(piece)), STREAM_OK);
		assert_int_equal(stream_flush(s), STREAM_OK);
	}
	assert_in_range(other.turns, 50, 1000);
	stream_deadline(s, fiber_now());
	for (unsigned i = 0; i < 100; i++)
		if (stream_read_some(s, sizeof(piece), &chunk) != STREAM_OK)
			break;
	assert_int_equal(stream_read_some(s, sizeof(piece), &chunk), STREAM_TIMEOUT);
	other.done = true;
	stream_close(&s);
	assert_int_equal(close(zero) + close(null), 0);
}

static void
test_greedy_peer(void **state)
{
	(void)state;
	fiber_main(greedy_main, NULL);
}

static void
test_status_text(void **state)
{
	(void)state;
	for (int i = STREAM_OK; i <= STREAM_CANCELED; i++)
		for (int j = STREAM_OK; j < i; j++)
			assert_string_not_equal(stream_status_text((enum stream_status)i),
			    stream_status_text((enum stream_status)j));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_layer, reset),
	    cmocka_unit_test_setup(test_memory, reset),
	    cmocka_unit_test_setup(test_pair, reset),
	    cmocka_unit_test_setup(test_greedy_peer, reset),
	    cmocka_unit_test_setup(test_status_text, reset),
	};

	/* A failure on a fiber's stack must not jump to the test's. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fiber_watchdog(0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
