/* stream_fixture - a stream over a pair of sockets: see stream_fixture.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/stream_fixture.h"

struct stream_test t;

int
reset(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.fds[0] = t.fds[1] = -1;
	return 0;
}

void
open_pair(int type)
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, t.fds), 0);
	t.s = stream_fd(t.fds[0]);
}

void
close_pair(void)
{
	stream_close(&t.s);
	assert_null(t.s);
	if (t.fds[1] >= 0)
		close(t.fds[1]);
}

void
wait_for_others(void)
{
	while (fiber_count() > 1)
		fiber_sleep(1);
}

void
writer(void *arg)
{
	struct fiber_fd *ffd = fiber_fd_new(t.fds[1]);
	struct str rest = t.input;

	(void)arg;
	while (rest.len > 0) {
		size_t part = t.piece && t.piece < rest.len ? t.piece : rest.len;
		ssize_t n = write(t.fds[1], rest.data, part);

		if (n > 0)
			rest = str_from(rest, (size_t)n);
		else if (errno == EAGAIN)
			fiber_fd_wait(ffd, FIBER_WRITE, FIBER_FOREVER);
		else
			break; /* the test has closed its end */
		if (t.piece > 0)
			fiber_sleep(t.pause);
	}
	shutdown(t.fds[1], SHUT_WR);
	fiber_fd_free(&ffd);
}
