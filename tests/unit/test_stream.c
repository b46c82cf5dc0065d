/*
 * test_stream - buffered reading and writing: limits, ends, times
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/fiber/stream.h"
#include "tests/unit/stream_fixture.h"

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))
/* The longest line and peek. */
#define LONGEST ((size_t)65536 + 64)

/* Reads all that comes to fds[1], packet by packet, into t.got. */
static void
reader(void *arg)
{
	struct fiber_fd *ffd = fiber_fd_new(t.fds[1]);
	ssize_t n;

	(void)arg;
	for (;;) {
		n = read(t.fds[1], buf_reserve(&t.got, 1 << 18), 1 << 18);
		if (n == 0)
			break;
		if (n < 0 && errno == EAGAIN) {
			fiber_fd_wait(ffd, FIBER_READ, FIBER_FOREVER);
			continue;
		}
		assert_true(n > 0);
		t.got.len += (size_t)n;
		t.packets++;
	}
	fiber_fd_free(&ffd);
}

static void
wait_for_bytes(size_t n)
{
	while (t.got.len < n)
		fiber_sleep(1);
}

/* N bytes without a line end, never the same twice in a row. */
static char *
filler(size_t n)
{
	char *text = mem_alloc(n + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + (i * 7 + i / 26) % 26);
	return text;
}

/* --- Lines ------------------------------------------------------------------------------------ */

struct expected_line {
	enum stream_status status;
	struct str text;
};

static const struct line_case {
	struct str input;
	size_t max;
	struct expected_line lines[6]; /* up to the first end of file */
} line_cases[] = {
    {{"", 0}, 10, {{STREAM_EOF, {"", 0}}}},
    {{"\n", 1}, 1, {{STREAM_OK, {"\n", 1}}, {STREAM_EOF, {"", 0}}}},
    {{"ab\ncd\r\n", 7}, 10,
	{{STREAM_OK, {"ab\n", 3}}, {STREAM_OK, {"cd\r\n", 4}}, {STREAM_EOF, {"", 0}}}},
    /* The end of file in the middle of a line. */
    {{"ab\ncd", 5}, 10, {{STREAM_OK, {"ab\n", 3}}, {STREAM_EOF, {"cd", 2}}}},
    /* Exactly the limit, one above, and what follows. */
    {{"abcd\n", 5}, 5, {{STREAM_OK, {"abcd\n", 5}}, {STREAM_EOF, {"", 0}}}},
    {{"abcde\nf\n", 8}, 5,
	{{STREAM_TOO_LONG, {"abcde", 5}}, {STREAM_OK, {"\n", 1}}, {STREAM_OK, {"f\n", 2}},
	    {STREAM_EOF, {"", 0}}}},
    {{"abcdefghijk\nl\n", 14}, 5,
	{{STREAM_TOO_LONG, {"abcde", 5}}, {STREAM_TOO_LONG, {"fghij", 5}}, {STREAM_OK, {"k\n", 2}},
	    {STREAM_OK, {"l\n", 2}}, {STREAM_EOF, {"", 0}}}},
    {{"abcde", 5}, 5, {{STREAM_TOO_LONG, {"abcde", 5}}, {STREAM_EOF, {"", 0}}}},
    {{"abcd", 4}, 5, {{STREAM_EOF, {"abcd", 4}}}},
    /* Bytes are bytes. */
    {{"a\0b\n\377\n", 6}, 10,
	{{STREAM_OK, {"a\0b\n", 4}}, {STREAM_OK, {"\377\n", 2}}, {STREAM_EOF, {"", 0}}}},
};

static void
check_lines(struct stream *s, const struct line_case *c)
{
	const struct expected_line *e = c->lines;
	enum stream_status status;
	struct str line;

	do {
		status = stream_read_line(s, c->max, &line);
		assert_int_equal(status, e->status);
		assert_int_equal(line.len, e->text.len);
		assert_memory_equal(line.data, e->text.data, line.len);
		e++;
	} while (status != STREAM_EOF);
	/* The end sticks. */
	assert_int_equal(stream_read_line(s, c->max, &line), STREAM_EOF);
	assert_int_equal(line.len, 0);
	assert_int_equal(stream_read_some(s, 10, &line), STREAM_EOF);
	assert_int_equal(stream_bytes_in(s), c->input.len);
}

static void
test_lines_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY(line_cases); i++) {
		struct stream *s = stream_memory(line_cases[i].input, NULL);

		check_lines(s, &line_cases[i]);
		stream_close(&s);
	}
}

static void
lines_main(void *arg)
{
	t.piece = *(const size_t *)arg;
	for (size_t i = 0; i < ARRAY(line_cases); i++) {
		open_pair(SOCK_STREAM);
		t.input = line_cases[i].input;
		fiber_spawn("writer", writer, NULL);
		check_lines(t.s, &line_cases[i]);
		wait_for_others();
		close_pair();
	}
}

/* Whole, byte by byte, and in threes. */
static void
test_lines_socket(void **state)
{
	static const size_t pieces[] = {0, 1, 3};

	(void)state;
	for (size_t i = 0; i < ARRAY(pieces); i++)
		fiber_main(lines_main, (void *)(uintptr_t)&pieces[i]);
}

/* Lines around the sizes of the buffers, in pieces that never fit. */
static void
long_lines_main(void *arg)
{
	static const size_t sizes[] = {
	    1, 4095, 8191, 8192, 8193, 16384, 65535, 65536, LONGEST - 1, LONGEST};
	struct buf input = {0};
	char *text = filler(LONGEST);
	struct str line;

	(void)arg;
	for (size_t i = 0; i < ARRAY(sizes); i++) {
		buf_append(&input, text, sizes[i] - 1);
		buf_putc(&input, '\n');
	}
	buf_append(&input, text, LONGEST);
	buf_putc(&input, '\n');
	open_pair(SOCK_STREAM);
	t.input = buf_view(&input);
	fiber_spawn("writer", writer, NULL);
	for (size_t i = 0; i < ARRAY(sizes); i++) {
		assert_int_equal(stream_read_line(t.s, LONGEST, &line), STREAM_OK);
		assert_int_equal(line.len, sizes[i]);
		assert_memory_equal(line.data, text, sizes[i] - 1);
	}
	/* One more than the longest, and a limit above the longest. */
	assert_int_equal(stream_read_line(t.s, SIZE_MAX, &line), STREAM_TOO_LONG);
	assert_int_equal(line.len, LONGEST);
	assert_int_equal(stream_read_line(t.s, SIZE_MAX, &line), STREAM_OK);
	assert_int_equal(line.len, 1);
	assert_int_equal(stream_read_line(t.s, SIZE_MAX, &line), STREAM_EOF);
	wait_for_others();
	close_pair();
	buf_free(&input);
	free(text);
}

static void
test_long_lines(void **state)
{
	(void)state;
	t.piece = 1777;
	fiber_main(long_lines_main, NULL);
	t.piece = 0;
	fiber_main(long_lines_main, NULL);
}

/* --- Blocks ------------------------------------------------------------------------------------- */

static void
exact_main(void *arg)
{
	static const size_t sizes[] = {0, 1, 100, 8191, 8192, 8193, 65536, LONGEST, 300000, 5};
	size_t total = 0;
	char *text, *to = mem_alloc(300000);
	struct str line;

	(void)arg;
	for (size_t i = 0; i < ARRAY(sizes); i++)
		total += sizes[i];
	text = filler(total + 4);
	memcpy(text + total, "x\nyz", 4);
	open_pair(SOCK_STREAM);
	t.input = str_n(text, total + 4);
	fiber_spawn("writer", writer, NULL);
	total = 0;
	for (size_t i = 0; i < ARRAY(sizes); i++) {
		assert_int_equal(stream_read_exact(t.s, to, sizes[i]), STREAM_OK);
		assert_memory_equal(to, text + total, sizes[i]);
		total += sizes[i];
	}
	assert_int_equal(stream_read_line(t.s, 10, &line), STREAM_OK);
	assert_int_equal(stream_read_exact(t.s, to, 3), STREAM_EOF);
	wait_for_others();
	close_pair();
	free(text);
	free(to);
}

static void
test_read_exact(void **state)
{
	(void)state;
	fiber_main(exact_main, NULL);
	t.piece = 5000;
	fiber_main(exact_main, NULL);
}

static void
some_main(void *arg)
{
	char *text = filler(500000);
	size_t got = 0, largest = 0;
	struct str chunk;

	(void)arg;
	open_pair(SOCK_STREAM);
	t.input = str_n(text, 500000);
	fiber_spawn("writer", writer, NULL);
	assert_int_equal(stream_read_some(t.s, 3, &chunk), STREAM_OK);
	assert_int_equal(chunk.len, 3);
	got = 3;
	while (stream_read_some(t.s, SIZE_MAX, &chunk) == STREAM_OK) {
		assert_true(chunk.len > 0 && got + chunk.len <= 500000);
		assert_memory_equal(chunk.data, text + got, chunk.len);
		got += chunk.len;
		largest = chunk.len > largest ? chunk.len : largest;
	}
	assert_int_equal(got, 500000);
	/* A fast sender is read in large pieces. */
	assert_true(largest > 8192);
	wait_for_others();
	close_pair();
	free(text);
}

static void
test_read_some(void **state)
{
	(void)state;
	fiber_main(some_main, NULL);
}

static void
peek_main(void *arg)
{
	char *text = filler(LONGEST + 10);
	struct str view, line;

	(void)arg;
	open_pair(SOCK_STREAM);
	text[4] = '\n';
	t.input = str_n(text, LONGEST + 10);
	fiber_spawn("writer", writer, NULL);
	assert_int_equal(stream_peek(t.s, 1, &view), STREAM_OK);
	assert_true(view.len >= 1);
	assert_int_equal(stream_peek(t.s, 100, &view), STREAM_OK);
	assert_true(view.len >= 100);
	assert_memory_equal(view.data, text, 100);
	/* Consumes nothing; skip does. */
	assert_int_equal(stream_read_line(t.s, 10, &line), STREAM_OK);
	assert_memory_equal(line.data, text, 5);
	stream_skip(t.s, 5);
	assert_int_equal(stream_peek(t.s, LONGEST, &view), STREAM_OK);
	assert_memory_equal(view.data, text + 10, LONGEST);
	assert_int_equal(stream_buffered(t.s), LONGEST);
	/* Too much is refused, but breaks nothing. */
	assert_int_equal(stream_peek(t.s, LONGEST + 1, &view), STREAM_ERROR);
	assert_int_equal(stream_errno(t.s), EMSGSIZE);
	stream_skip(t.s, LONGEST - 3);
	assert_int_equal(stream_peek(t.s, 3, &view), STREAM_OK);
	assert_memory_equal(view.data, text + LONGEST + 7, 3);
	assert_int_equal(stream_peek(t.s, 4, &view), STREAM_EOF);
	assert_int_equal(view.len, 3);
	wait_for_others();
	close_pair();
	free(text);
}

static void
test_peek(void **state)
{
	(void)state;
	fiber_main(peek_main, NULL);
	t.piece = 1000;
	fiber_main(peek_main, NULL);
}

static void
readable_main(void *arg)
{
	struct str line;

	(void)arg;
	open_pair(SOCK_STREAM);
	assert_false(stream_readable(t.s));
	assert_int_equal(write(t.fds[1], "a\nb\nc\n", 6), 6);
	assert_true(stream_readable(t.s));
	assert_int_equal(stream_buffered(t.s), 0);
	assert_int_equal(stream_read_line(t.s, 10, &line), STREAM_OK);
	assert_int_equal(stream_buffered(t.s), 4);
	assert_true(stream_readable(t.s));
	stream_drop_input(t.s);
	assert_int_equal(stream_buffered(t.s), 0);
	assert_false(stream_readable(t.s));
	assert_int_equal(write(t.fds[1], "d\n", 2), 2);
	assert_int_equal(stream_read_line(t.s, 10, &line), STREAM_OK);
	assert_memory_equal(line.data, "d\n", 2);
	shutdown(t.fds[1], SHUT_WR);
	assert_true(stream_readable(t.s));
	assert_int_equal(stream_read_line(t.s, 10, &line), STREAM_EOF);
	assert_true(stream_readable(t.s));
	close_pair();
}

static void
test_readable(void **state)
{
	(void)state;
	fiber_main(readable_main, NULL);
}

/* --- Writing -------------------------------------------------------------------------------------- */

static void
coalesce_main(void *arg)
{
	(void)arg;
	open_pair(SOCK_SEQPACKET);
	fiber_spawn("reader", reader, NULL);
	stream_puts(t.s, "250-a\r\n");
	stream_printf(t.s, "250 %d %s\r\n", 7, "b");
	stream_write(t.s, "354\r\n", 5);
	fiber_sleep(5);
	assert_int_equal(t.packets, 0);
	assert_int_equal(stream_flush(t.s), STREAM_OK);
	wait_for_bytes(stream_bytes_out(t.s));
	assert_int_equal(t.packets, 1);
	assert_true(str_eq(buf_view(&t.got), STR("250-a\r\n250 7 b\r\n354\r\n")));
	assert_int_equal(stream_bytes_out(t.s), t.got.len);
	/* Nothing buffered, nothing sent. */
	assert_int_equal(stream_flush(t.s), STREAM_OK);
	assert_int_equal(stream_puts(t.s, ""), STREAM_OK);
	assert_int_equal(stream_flush(t.s), STREAM_OK);
	fiber_sleep(5);
	assert_int_equal(t.packets, 1);
	/* A frame of 64 KiB with its head is one write, however it was put together. */
	buf_reset(&t.got);
	for (size_t i = 0; i < LONGEST / 100; i++)
		stream_printf(t.s, "%0100zu", i);
	assert_int_equal(stream_flush(t.s), STREAM_OK);
	wait_for_bytes(LONGEST / 100 * 100);
	assert_int_equal(t.packets, 2);
	assert_int_equal(t.got.len, LONGEST / 100 * 100);
	stream_close(&t.s);
	wait_for_others();
	close_pair();
	buf_free(&t.got);
}

static void
test_coalescing(void **state)
{
	(void)state;
	fiber_main(coalesce_main, NULL);
}

/* More than the kernel takes, and more than the buffer takes. */
static void
big_write_main(void *arg)
{
	static const size_t sizes[] = {
	    1, 8191, 8192, 8193, LONGEST - 1, LONGEST, LONGEST + 1, 1000000, 10};
	struct buf all = {0};
	char *text = filler(1000000);

	(void)arg;
	open_pair(SOCK_STREAM);
	fiber_spawn("reader", reader, NULL);
	for (size_t i = 0; i < ARRAY(sizes); i++) {
		assert_int_equal(stream_write(t.s, text, sizes[i]), STREAM_OK);
		buf_append(&all, text, sizes[i]);
		assert_int_equal(stream_printf(t.s, "%.*s", (int)sizes[i], text), STREAM_OK);
		buf_append(&all, text, sizes[i]);
		if (i % 2)
			assert_int_equal(stream_flush(t.s), STREAM_OK);
	}
	assert_int_equal(stream_flush(t.s), STREAM_OK);
	assert_int_equal(stream_bytes_out(t.s), all.len);
	stream_close(&t.s);
	wait_for_others();
	close_pair();
	assert_int_equal(t.got.len, all.len);
	assert_memory_equal(t.got.data, all.data, all.len);
	buf_free(&all);
	buf_free(&t.got);
	free(text);
}

static void
test_big_writes(void **state)
{
	(void)state;
	fiber_main(big_write_main, NULL);
}

static void
broken_main(void *arg)
{
	(void)arg;
	open_pair(SOCK_STREAM);
	close(t.fds[1]);
	t.fds[1] = -1;
	assert_int_equal(stream_puts(t.s, "x"), STREAM_OK);
	assert_int_equal(stream_flush(t.s), STREAM_ERROR);
	assert_int_equal(stream_errno(t.s), EPIPE);
	assert_int_equal(stream_puts(t.s, "x"), STREAM_ERROR);
	assert_int_equal(stream_printf(t.s, "x"), STREAM_ERROR);
	assert_int_equal(stream_flush(t.s), STREAM_ERROR);
	close_pair();
}

static void
test_broken_pipe(void **state)
{
	(void)state;
	fiber_main(broken_main, NULL);
}

/* --- Times ---------------------------------------------------------------------------------------- */

/* A peer that drips bytes does not stretch the time of one read. */
static void
drip_main(void *arg)
{
	int64_t begin = clock_mono_ms();
	char *text = filler(1000);
	struct str line;

	(void)arg;
	open_pair(SOCK_STREAM);
	t.input = str_n(text, 1000);
	t.piece = 1;
	t.pause = 5;
	fiber_spawn("writer", writer, NULL);
	stream_timeout(t.s, 60);
	assert_int_equal(stream_read_line(t.s, 2000, &line), STREAM_TIMEOUT);
	assert_true(clock_mono_ms() - begin >= 59);
	assert_true(clock_mono_ms() - begin < 2000);
	/* It sticks, though there is data. */
	assert_int_equal(stream_read_some(t.s, 1, &line), STREAM_TIMEOUT);
	assert_int_equal(stream_read_exact(t.s, text, 1), STREAM_TIMEOUT);
	assert_int_equal(stream_peek(t.s, 1, &line), STREAM_TIMEOUT);
	/* Writing goes on. */
	assert_int_equal(stream_puts(t.s, "421\r\n"), STREAM_OK);
	assert_int_equal(stream_flush(t.s), STREAM_OK);
	close_pair();
	wait_for_others();
	free(text);
}

static void
test_timeout_of_one_read(void **state)
{
	(void)state;
	fiber_main(drip_main, NULL);
}

/* The total deadline ends even a peer that is always in time. */
static void
deadline_main(void *arg)
{
	int64_t begin = clock_mono_ms();
	enum stream_status status;
	unsigned lines = 0;
	struct str line;

	(void)arg;
	open_pair(SOCK_STREAM);
	t.input = STR("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\ns\nt\nu\nv\nw\n");
	t.piece = 2;
	t.pause = 10;
	fiber_spawn("writer", writer, NULL);
	stream_timeout(t.s, 5000);
	stream_deadline(t.s, fiber_after(75));
	while ((status = stream_read_line(t.s, 10, &line)) == STREAM_OK)
		lines++;
	assert_int_equal(status, STREAM_TIMEOUT);
	assert_true(lines >= 1 && lines <= 8);
	assert_true(clock_mono_ms() - begin >= 74);
	close_pair();
	wait_for_others();
}

static void
test_total_deadline(void **state)
{
	(void)state;
	fiber_main(deadline_main, NULL);
}

static void
flush_timeout_main(void *arg)
{
	char *text = filler(4000000);

	(void)arg;
	open_pair(SOCK_STREAM);
	stream_timeout(t.s, 30);
	assert_int_equal(stream_write(t.s, text, 4000000), STREAM_TIMEOUT);
	assert_int_equal(stream_flush(t.s), STREAM_TIMEOUT);
	close_pair();
	free(text);
}

static void
test_flush_timeout(void **state)
{
	(void)state;
	fiber_main(flush_timeout_main, NULL);
}

/* No limit of time at all: longer than any test waits for. */
static void
no_timeout_main(void *arg)
{
	struct str line;

	(void)arg;
	open_pair(SOCK_STREAM);
	stream_timeout(t.s, 0);
	t.input = STR("late\n");
	t.piece = 1;
	t.pause = 10;
	fiber_spawn("writer", writer, NULL);
	assert_int_equal(stream_read_line(t.s, 10, &line), STREAM_OK);
	wait_for_others();
	close_pair();
}

static void
test_no_timeout(void **state)
{
	(void)state;
	fiber_main(no_timeout_main, NULL);
}

static void
canceled_reader(void *arg)
{
	struct str line;

	(void)arg;
	t.status = stream_read_line(t.s, 10, &line);
	assert_int_equal(stream_read_line(t.s, 10, &line), STREAM_CANCELED);
}

static void
canceled_writer(void *arg)
{
	char *text = filler(4000000);

	(void)arg;
	t.status = stream_write(t.s, text, 4000000);
	free(text);
}

static void
cancel_main(void *arg)
{
	struct fiber *f;

	(void)arg;
	open_pair(SOCK_STREAM);
	f = fiber_spawn("reader", canceled_reader, NULL);
	fiber_sleep(2);
	fiber_cancel(f);
	wait_for_others();
	assert_int_equal(t.status, STREAM_CANCELED);
	t.status = STREAM_OK;
	f = fiber_spawn("writer", canceled_writer, NULL);
	fiber_sleep(2);
	fiber_cancel(f);
	wait_for_others();
	assert_int_equal(t.status, STREAM_CANCELED);
	close_pair();
}

static void
test_cancel(void **state)
{
	(void)state;
	fiber_main(cancel_main, NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_lines_memory, reset),
	    cmocka_unit_test_setup(test_lines_socket, reset),
	    cmocka_unit_test_setup(test_long_lines, reset),
	    cmocka_unit_test_setup(test_read_exact, reset),
	    cmocka_unit_test_setup(test_read_some, reset),
	    cmocka_unit_test_setup(test_peek, reset),
	    cmocka_unit_test_setup(test_readable, reset),
	    cmocka_unit_test_setup(test_coalescing, reset),
	    cmocka_unit_test_setup(test_big_writes, reset),
	    cmocka_unit_test_setup(test_broken_pipe, reset),
	    cmocka_unit_test_setup(test_timeout_of_one_read, reset),
	    cmocka_unit_test_setup(test_total_deadline, reset),
	    cmocka_unit_test_setup(test_flush_timeout, reset),
	    cmocka_unit_test_setup(test_no_timeout, reset),
	    cmocka_unit_test_setup(test_cancel, reset),
	};

	/* A failure on a fiber's stack must not jump to the test's. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fiber_watchdog(0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
