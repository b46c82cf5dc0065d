/*
 * test_stream_fds - UNIX sockets: descriptors beside the bytes, and connecting
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/fiber/stream.h"

#define MANY 20

static unsigned
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static bool
same_file(int a, int b)
{
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Sends TEXT with COUNT copies of FD beside it, as a careless peer might. */
static void
send_many(int sock, const char *text, int fd, size_t count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MANY * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	assert_int_equal(sendmsg(sock, &msg, 0), (ssize_t)strlen(text));
}

static void
open_streams(int type, struct stream **a, struct stream **b)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
	*a = stream_fd(fds[0]);
	*b = stream_fd(fds[1]);
}

static void
pass_main(void *arg)
{
	struct stream *a, *b;
	struct str line;
	int pipes[2], got;

	(void)arg;
	open_streams(SOCK_STREAM, &a, &b);
	stream_accept_fds(b, true);
	assert_int_equal(pipe(pipes), 0);
	stream_puts(a, "none\n");
	assert_int_equal(stream_flush(a), STREAM_OK);
	stream_puts(a, "first\n");
	assert_int_equal(stream_send_fd(a, pipes[0]), STREAM_OK);
	stream_puts(a, "second\n");
	assert_int_equal(stream_send_fd(a, pipes[1]), STREAM_OK);
	assert_int_equal(stream_bytes_out(a), 5 + 6 + 7);

	assert_int_equal(stream_read_line(b, 10, &line), STREAM_OK);
	assert_true(str_eq(line, STR("none\n")));
	assert_int_equal(stream_read_line(b, 10, &line), STREAM_OK);
	assert_true(str_eq(line, STR("first\n")));
	assert_int_equal(stream_read_line(b, 10, &line), STREAM_OK);
	assert_true(str_eq(line, STR("second\n")));
	/* In order, close-on-exec, and each once. */
	got = stream_take_fd(b);
	assert_true(got >= 0 && same_file(got, pipes[0]));
	assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	assert_true((fcntl(got, F_GETFL) & O_ACCMODE) == O_RDONLY);
	close(got);
	got = stream_take_fd(b);
	assert_true((fcntl(got, F_GETFL) & O_ACCMODE) == O_WRONLY);
	close(got);
	assert_int_equal(stream_take_fd(b), -1);

	/* Without a byte there is nothing to send it with. */
	assert_int_equal(stream_send_fd(a, pipes[0]), STREAM_ERROR);
	assert_int_equal(stream_errno(a), EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	stream_close(&a);
	stream_close(&b);
}

/* The loop has descriptors of its own, which come with its first use. */
static void
nothing(void *arg)
{
	(void)arg;
}

static void
test_pass(void **state)
{
	unsigned before = open_descriptors();

	(void)state;
	fiber_main(pass_main, NULL);
	assert_int_equal(open_descriptors(), before);
}

/* More than were asked for, more than are kept, more than the kernel is given room for. */
static void
surplus_main(void *arg)
{
	static const struct {
		bool accept;
		size_t sent;
		unsigned kept;
	} cases[] = {{false, 1, 0}, {false, MANY, 0}, {true, 1, 1}, {true, 4, 4}, {true, 5, 4},
	    {true, 16, 4}, {true, 17, 4}, {true, MANY, 4}};
	unsigned before = open_descriptors();

	(void)arg;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stream *a, *b;
		struct str line;

		open_streams(SOCK_STREAM, &a, &b);
		stream_accept_fds(b, cases[i].accept);
		send_many(stream_get_fd(a), "x\n", 0, cases[i].sent);
		assert_int_equal(stream_read_line(b, 10, &line), STREAM_OK);
		assert_int_equal(open_descriptors(), before + 2 + cases[i].kept);
		/* What nobody took goes with the stream. */
		stream_close(&a);
		stream_close(&b);
		fiber_sleep(1);
		assert_int_equal(open_descriptors(), before);
	}
}

static void
test_surplus(void **state)
{
	(void)state;
	fiber_main(surplus_main, NULL);
}

/* A receiver that is slow to read: the sender waits and the descriptor still arrives. */
static void
slow_receiver(void *arg)
{
	struct stream *b = arg;
	struct str chunk;
	size_t got = 0;
	int fd;

	stream_accept_fds(b, true);
	fiber_sleep(20);
	while (stream_read_some(b, SIZE_MAX, &chunk) == STREAM_OK)
		got += chunk.len;
	assert_int_equal(got, 60000);
	fd = stream_take_fd(b);
	assert_true(fd >= 0);
	close(fd);
	stream_close(&b);
}

static void
full_main(void *arg)
{
	static const char block[30000];
	struct stream *a, *b;
	int small = 4096;

	(void)arg;
	open_streams(SOCK_STREAM, &a, &b);
	setsockopt(stream_get_fd(a), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	fiber_spawn("receiver", slow_receiver, b);
	assert_int_equal(stream_write(a, block, sizeof(block)), STREAM_OK);
	assert_int_equal(stream_flush(a), STREAM_OK);
	assert_int_equal(stream_write(a, block, sizeof(block)), STREAM_OK);
	assert_int_equal(stream_send_fd(a, 0), STREAM_OK);
	stream_close(&a);
	while (fiber_count() > 1)
		fiber_sleep(1);
}

static void
test_full_socket(void **state)
{
	(void)state;
	fiber_main(full_main, NULL);
}

/* --- Connecting ----------------------------------------------------------------------------------- */

struct place {
	char dir[64];
	char path[96];
	int listener;
};

static void
place_open(struct place *p)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(p->dir, sizeof(p->dir), "/tmp/test_stream_XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/socket", p->dir);
	memcpy(addr.sun_path, p->path, strlen(p->path));
	p->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

static void
place_close(struct place *p)
{
	close(p->listener);
	unlink(p->path);
	rmdir(p->dir);
}

static void
accept_later(void *arg)
{
	const struct place *p = arg;
	int fd;

	fiber_sleep(30);
	fd = accept(p->listener, NULL, NULL);
	assert_true(fd >= 0);
	close(fd);
}

static void
connect_canceled(void *arg)
{
	const struct place *p = arg;

	assert_null(stream_connect_unix(p->path, FIBER_FOREVER));
	assert_int_equal(errno, ECANCELED);
}

/* With a backlog that is full. */
static void
backlog_main(void *arg)
{
	struct place *p = arg;
	struct stream *a, *b, *c;
	struct fiber *f;
	int64_t begin;

	assert_int_equal(listen(p->listener, 0), 0);
	a = stream_connect_unix(p->path, fiber_after(1000));
	assert_non_null(a);
	begin = clock_mono_ms();
	b = stream_connect_unix(p->path, fiber_after(40));
	assert_null(b);
	assert_int_equal(errno, ETIMEDOUT);
	assert_true(clock_mono_ms() - begin >= 39);
	/* The fiber that waits for room holds up nobody. */
	f = fiber_spawn("canceled", connect_canceled, p);
	fiber_sleep(5);
	fiber_cancel(f);
	fiber_spawn("accept", accept_later, p);
	c = stream_connect_unix(p->path, fiber_after(5000));
	assert_non_null(c);
	stream_close(&a);
	stream_close(&c);
	while (fiber_count() > 1)
		fiber_sleep(1);
}

static void
connect_main(void *arg)
{
	struct place *p = arg;
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	struct stream *s;

	/* Bound, but nobody listens. */
	assert_null(stream_connect_unix(p->path, fiber_after(1000)));
	assert_int_equal(errno, ECONNREFUSED);
	assert_null(stream_connect_unix("/tmp/no/such/socket", fiber_after(1000)));
	assert_int_equal(errno, ENOENT);
	/* The longest name is looked for, one longer is not a name. */
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 2] = '\0';
	assert_null(stream_connect_unix(name, fiber_after(1000)));
	assert_int_equal(errno, ENOENT);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_null(stream_connect_unix(name, fiber_after(1000)));
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(listen(p->listener, 5), 0);
	s = stream_connect_unix(p->path, fiber_after(1000));
	assert_non_null(s);
	assert_true(fcntl(stream_get_fd(s), F_GETFD) & FD_CLOEXEC);
	stream_close(&s);
}

static void
test_connect(void **state)
{
	struct place p;
	unsigned before = open_descriptors();

	(void)state;
	place_open(&p);
	fiber_main(connect_main, &p);
	place_close(&p);
	place_open(&p);
	fiber_main(backlog_main, &p);
	place_close(&p);
	assert_int_equal(open_descriptors(), before);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pass),
	    cmocka_unit_test(test_surplus),
	    cmocka_unit_test(test_full_socket),
	    cmocka_unit_test(test_connect),
	};

	/* A failure on a fiber's stack must not jump to the test's. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fiber_watchdog(0, 0);
	fiber_main(nothing, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
