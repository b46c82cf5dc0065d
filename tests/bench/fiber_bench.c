/*
 * fiber_bench - what a switch and an idle fiber cost
 *
 *	fiber_bench [FIBERS]
 *
 * Prints nanoseconds per switch (two fibers that wake each other; many fibers that yield), per message
 * of a request and its answer over a socket pair, per job of a worker thread, and the resident bytes
 * of one fiber that waits on a stream, after it has used some stack: at once, and after the sweep.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/fiber/stream.h"

#define ROUNDS 5
#define SWITCHES 500000
#define SPAWNS 50000
#define MESSAGES 25000
#define JOBS 10000
#define YIELDERS 1000

static struct {
	struct fiber_waitq queues[2];
	unsigned left;
	unsigned fibers;
	int listener;
	int stop;
} bench;

static double
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Runs FN a few times; the best one is the one that was disturbed least. COUNT: what it does. */
static void
measure(const char *what, void (*fn)(void), double count)
{
	double best = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		double begin = now_ns(), took;

		fn();
		took = (now_ns() - begin) / count;
		if (i == 0 || took < best)
			best = took;
	}
	printf("%-46s %10.1f ns\n", what, best);
	fflush(stdout);
}

static void
wait_for_others(void)
{
	while (fiber_count() > 1)
		fiber_sleep(1);
}

static void
ping(void *arg)
{
	struct fiber_waitq *mine = arg;
	struct fiber_waitq *other = &bench.queues[mine == &bench.queues[0]];

	while (bench.left > 0) {
		bench.left--;
		fiber_wake_one(other);
		fiber_wait(mine, FIBER_FOREVER);
	}
	fiber_wake_one(other);
}

static void
bench_wake(void)
{
	bench.left = SWITCHES;
	fiber_waitq_init(&bench.queues[0]);
	fiber_waitq_init(&bench.queues[1]);
	fiber_spawn("ping", ping, &bench.queues[0]);
	fiber_spawn("pong", ping, &bench.queues[1]);
	wait_for_others();
}

static void
yielder(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < SWITCHES / YIELDERS; i++)
		fiber_yield();
}

static void
bench_yield(void)
{
	for (unsigned i = 0; i < YIELDERS; i++)
		fiber_spawn("yielder", yielder, NULL);
	wait_for_others();
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void
bench_spawn(void)
{
	for (unsigned i = 0; i < SPAWNS; i++) {
		fiber_spawn("nothing", nothing, NULL);
		fiber_yield();
	}
}

static void
echo(void *arg)
{
	struct stream *s = arg;
	struct str line;

	while (stream_read_line(s, 1000, &line) == STREAM_OK) {
		stream_write(s, line.data, line.len);
		stream_flush(s);
	}
	stream_close(&s);
}

static void
bench_echo(void)
{
	struct stream *s;
	struct str line;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		log_fatal("socketpair failed");
	s = stream_fd(fds[0]);
	fiber_spawn("echo", echo, stream_fd(fds[1]));
	for (unsigned i = 0; i < MESSAGES; i++) {
		stream_puts(s, "RCPT TO:<someone@example.org>\r\n");
		stream_flush(s);
		stream_read_line(s, 1000, &line);
	}
	stream_close(&s);
	wait_for_others();
}

static void
bench_offload(void)
{
	for (unsigned i = 0; i < JOBS; i++)
		fiber_offload(FIBER_POOL_SYNC, nothing, NULL);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static double
resident(void)
{
	unsigned long total, pages;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu %lu", &total, &pages) != 2)
		log_fatal("cannot read /proc/self/statm");
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* Not inlined: what it used must lie below the stack pointer afterwards. */
static __attribute__((noinline)) void
use_stack(void)
{
	char some[12000];

	memset(some, 1, sizeof(some));
	/* The compiler must believe that somebody reads it. */
	__asm__ volatile("" : : "r"(some) : "memory");
}

/* As a session does: some work, an answer, then the wait for the next line. */
static void
session(void *arg)
{
	struct stream *s = stream_fd((int)(intptr_t)arg);
	struct str line;

	while (stream_read_line(s, 1000, &line) == STREAM_OK) {
		use_stack();
		stream_puts(s, "250 2.0.0 Ok\r\n");
		stream_flush(s);
	}
	stream_close(&s);
}

/* The clients: a child with the other ends. It sends a line on each and ends when STOP is closed. */
static void
run_clients(const struct sockaddr_un *addr, int stop)
{
	char c;

	for (unsigned i = 0; i < bench.fibers; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 ||
		    write(fd, "NOOP\r\n", 6) != 6)
			log_fatal("client %u: %s", i, strerror(errno));
	}
	_exit(read(stop, &c, 1) == 0 ? 0 : 1);
}

/* Before there are threads: a listening socket and the child that connects to it. */
static void
start_clients(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rlimit limit;
	int stop[2];

	/* An address in the abstract name space: nothing to remove. */
	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "fiber_bench-%d", (int)getpid());
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	bench.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bench.listener < 0 || pipe(stop) != 0 ||
	    bind(bench.listener, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(bench.listener, 100) != 0)
		log_fatal("cannot listen: %s", strerror(errno));
	if (fork() == 0) {
		close(stop[1]);
		run_clients(&addr, stop[0]);
	}
	close(stop[0]);
	bench.stop = stop[1];
}

static void
bench_memory(void)
{
	struct fiber_fd *listener = fiber_fd_new(bench.listener);
	unsigned n = bench.fibers;
	double before;

	/* What the other benches left is swept first. */
	fiber_sleep(2500);
	before = resident();
	for (unsigned i = 0; i < n; i++) {
		int fd;

		fiber_fd_wait(listener, FIBER_READ, FIBER_FOREVER);
		fd = accept(bench.listener, NULL, NULL);
		if (fd < 0)
			log_fatal("accept: %s", strerror(errno));
		fiber_spawn("session", session, (void *)(intptr_t)fd);
	}
	fiber_sleep(20);
	printf("%u fibers at work: %.0f bytes each\n", n, (resident() - before) / n);
	fflush(stdout);
	fiber_sleep(4000);
	printf("%u fibers idle:    %.0f bytes each\n", n, (resident() - before) / n);
	close(bench.stop);
	wait_for_others();
	fiber_sleep(6000);
	printf("all ended:         %.0f bytes for each that was\n", (resident() - before) / n);
	fiber_fd_free(&listener);
}

static void
bench_main(void *arg)
{
	(void)arg;
	measure("switch (wait queue, two fibers)", bench_wake, SWITCHES);
	measure("switch (yield, 1000 fibers)", bench_yield, SWITCHES);
	measure("spawn, run, end, yield", bench_spawn, SPAWNS);
	measure("message over a socket pair, one way", bench_echo, 2 * MESSAGES);
	measure("job in a worker thread, one after the other", bench_offload, JOBS);
	bench_memory();
}

int
main(int argc, char **argv)
{
	bench.fibers = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
	fiber_watchdog(0, 0);
	start_clients();
	fiber_main(bench_main, NULL);
	return 0;
}
