/* lib/base/io: short reads and writes, interruptions, limits, and replacing files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/io.h"

#define PATTERN 300000 /* bytes: more than a pipe holds */

struct place {
	char dir[64];
	char path[96];
};

static int
make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	snprintf(p->dir, sizeof(p->dir), "/tmp/postkeep-io.XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/file", p->dir);
	*state = p;
	return 0;
}

static int
drop_place(void **state)
{
	struct place *p = *state;
	int result;

	unlink(p->path);
	/* Fails, and with it the test, if something else was left there. */
	result = rmdir(p->dir);
	free(p);
	return result;
}

static void
fill(char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 7 % 253);
}

static void
on_alarm(int signal)
{
	(void)signal;
}

/* Interrupts whatever this process waits for, every US microseconds; 0 ends it. */
static void
interrupt_every(long us)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval every = {{0, us}, {0, us}};

	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

/* Writes DATA to FD in small pieces with pauses, and ends. */
static void
write_slowly(int fd, const char *data, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t piece = at % 7919 + 1 < n - at ? at % 7919 + 1 : n - at;

		if (write(fd, data + at, piece) != (ssize_t)piece)
			_exit(1);
		at += piece;
		if (at % 5 == 0)
			usleep(300);
	}
	_exit(0);
}

/* Reads N bytes of the pattern from FD in small pieces with pauses, and ends; 0 if all were right. */
static void
read_slowly(int fd, const char *data, size_t n)
{
	char piece[997];
	size_t at = 0;
	ssize_t got;

	while ((got = read(fd, piece, sizeof(piece))) > 0) {
		if ((size_t)got > n - at || memcmp(piece, data + at, (size_t)got) != 0)
			_exit(1);
		at += (size_t)got;
		if (at % 5 == 0)
			usleep(300);
	}
	_exit(at == n ? 0 : 1);
}

static void
assert_child_succeeds(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	assert_int_equal(status, 0);
}

static void
reads_go_on(void **state)
{
	char *data = malloc(PATTERN), *got = calloc(1, PATTERN + 1);
	int fds[2];
	pid_t child;

	(void)state;
	fill(data, PATTERN);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0)
		write_slowly(fds[1], data, PATTERN);
	close(fds[1]);
	interrupt_every(500);
	assert_int_equal(io_read_full(fds[0], got, 1000), 1000);
	/* At the end of the file fewer come, and then none. */
	assert_int_equal(io_read_full(fds[0], got + 1000, PATTERN), PATTERN - 1000);
	assert_int_equal(io_read_full(fds[0], got, 1), 0);
	interrupt_every(0);
	assert_memory_equal(got + 1000, data + 1000, PATTERN - 1000);
	assert_child_succeeds(child);
	close(fds[0]);
	free(data);
	free(got);
}

static void
writes_go_on(void **state)
{
	char *data = malloc(PATTERN);
	int fds[2];
	pid_t child;

	(void)state;
	fill(data, PATTERN);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		close(fds[1]);
		read_slowly(fds[0], data, PATTERN);
	}
	close(fds[0]);
	interrupt_every(500);
	assert_int_equal(io_write_all(fds[1], data, PATTERN), 0);
	interrupt_every(0);
	assert_int_equal(io_close(&fds[1]), 0);
	assert_child_succeeds(child);
	free(data);
}

static void
errors_of_writes(void **state)
{
	char *data = calloc(1, PATTERN);
	int fds[2], full = open("/dev/full", O_WRONLY);

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(io_write_all(full, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(io_write_all(full, "", 0), 0);
	close(full);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(io_set_nonblocking(fds[1], true), 0);
	assert_int_equal(io_write_all(fds[1], data, PATTERN), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(io_set_nonblocking(fds[1], false), 0);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(io_pwrite_all(fds[1], "x", 1, 0), -1);
	assert_int_equal(errno, ESPIPE);
	assert_int_equal(io_read_full(fds[1], data, 1), -1);
	assert_int_equal(errno, EBADF);
	close(fds[0]);
	close(fds[1]);
	free(data);
}

static void
at_places(void **state)
{
	struct place *p = *state;
	char got[16];
	int fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_pwrite_all(fd, "world", 5, 6), 0);
	assert_int_equal(io_pwrite_all(fd, "hello ", 6, 0), 0);
	assert_int_equal(io_pread_full(fd, got, 11, 0), 11);
	assert_memory_equal(got, "hello world", 11);
	assert_int_equal(io_pread_full(fd, got, sizeof(got), 6), 5);
	assert_memory_equal(got, "world", 5);
	assert_int_equal(io_pread_full(fd, got, 1, 11), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
}

static void
put_file(const char *path, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *data = malloc(n + 1);

	fill(data, n);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, data, n), 0);
	assert_int_equal(io_close(&fd), 0);
	free(data);
}

static void
whole_files(void **state)
{
	static const struct {
		size_t size, max;
		bool ok;
	} rows[] = {
	    {0, 0, true},
	    {1, 0, false},
	    {1, 1, true},
	    {8191, 8191, true},
	    {8192, 8191, false},
	    {8192, 8192, true},
	    {8193, 8192, false},
	    {16384, 16384, true},
	    {16385, 16384, false},
	    {100000, SIZE_MAX, true},
	    {100000, 100001, true},
	    {100000, 99999, false},
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {0};

		put_file(p->path, rows[i].size);
		buf_puts(&b, "before");
		errno = 0;
		assert_int_equal(io_read_file(p->path, rows[i].max, &b), rows[i].ok ? 0 : -1);
		assert_int_equal(errno, rows[i].ok ? 0 : EFBIG);
		assert_int_equal(b.len, 6 + (rows[i].ok ? rows[i].size : 0));
		assert_memory_equal(b.data, "before", 6);
		for (size_t j = 6; j < b.len; j++)
			assert_int_equal(b.data[j], (char)((j - 6) * 7 % 253));
		buf_free(&b);
	}
}

static void
files_that_cannot_be_read(void **state)
{
	struct place *p = *state;
	struct buf b = {0};

	assert_int_equal(io_read_file(p->path, 10, &b), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(io_read_file(p->dir, 10, &b), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void
assert_content(const char *path, const char *want)
{
	struct buf b = {0};

	assert_int_equal(io_read_file(path, 1000, &b), 0);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void
replace(void **state)
{
	struct place *p = *state;
	mode_t mask = umask(0);
	struct stat before, after;
	char temporary[160];
	int old;

	snprintf(temporary, sizeof(temporary), "%s.tmp.%ld", p->path, (long)getpid());
	assert_int_equal(io_replace_file(p->path, "one", 3, 0640), 0);
	assert_content(p->path, "one");
	assert_int_equal(stat(p->path, &before), 0);
	assert_int_equal(before.st_mode & 07777, 0640);
	old = open(p->path, O_RDONLY | O_CLOEXEC);
	/* What a process of the same number left behind is no obstacle, and a link no way out. */
	assert_int_equal(symlink("/dev/full", temporary), 0);
	assert_int_equal(io_replace_file(p->path, "two", 3, 0600), 0);
	assert_content(p->path, "two");
	assert_int_equal(stat(p->path, &after), 0);
	assert_int_equal(after.st_mode & 07777, 0600);
	/* A new file, not the old one written over: who has it open still reads the old text. */
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(io_read_full(old, temporary, 10), 3);
	assert_memory_equal(temporary, "one", 3);
	close(old);
	assert_int_equal(io_replace_file(p->path, "", 0, 0600), 0);
	assert_content(p->path, "");
	umask(mask);
}

static void
replace_like(void **state)
{
	struct place *p = *state;
	struct stat like, after;

	assert_int_equal(io_replace_file(p->path, "one", 3, 0600), 0);
	assert_int_equal(chmod(p->path, 0646), 0);
	/* Only root may give files away. */
	if (geteuid() == 0)
		assert_int_equal(chown(p->path, 65533, 65532), 0);
	assert_int_equal(stat(p->path, &like), 0);
	assert_int_equal(io_replace_file_like(p->path, "two", 3, &like), 0);
	assert_content(p->path, "two");
	assert_int_equal(stat(p->path, &after), 0);
	assert_int_not_equal(after.st_ino, like.st_ino);
	assert_int_equal(after.st_mode, like.st_mode);
	assert_int_equal(after.st_uid, like.st_uid);
	assert_int_equal(after.st_gid, like.st_gid);
}

static void
replace_in_the_working_directory(void **state)
{
	struct place *p = *state;
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(chdir(p->dir), 0);
	assert_int_equal(io_replace_file("file", "x", 1, 0600), 0);
	assert_content(p->path, "x");
	assert_int_equal(fchdir(here), 0);
	close(here);
}

/* When it fails the old file stands there whole, and drop_place() finds no other. */
static void
replace_fails(void **state)
{
	struct place *p = *state;
	struct rlimit before, small;
	char path[160], *big = calloc(1, 100000);

	assert_int_equal(io_replace_file(p->path, "old", 3, 0600), 0);
	snprintf(path, sizeof(path), "%s/no/such/place", p->dir);
	assert_int_equal(io_replace_file(path, "new", 3, 0600), -1);
	assert_int_equal(errno, ENOENT);
	/* A name that is taken by a directory. */
	assert_int_equal(io_replace_file(p->dir, "new", 3, 0600), -1);
	assert_int_equal(errno, EISDIR);
	snprintf(path, sizeof(path), "%s.tmp.%ld", p->dir, (long)getpid());
	assert_int_equal(access(path, F_OK), -1);
	/* No room: here by the limit on the size of files. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){50000, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(io_replace_file(p->path, big, 100000, 0600), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_content(p->path, "old");
	assert_int_equal(io_sync_dir(p->dir), 0);
	assert_int_equal(io_sync_dir(p->path), -1);
	assert_int_equal(errno, ENOTDIR);
	free(big);
}

static void
descriptors(void **state)
{
	int fd = open("/dev/null", O_RDONLY), copy = fd;

	(void)state;
	assert_int_equal(io_set_cloexec(fd, true), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(io_set_cloexec(fd, false), 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_int_equal(io_close(&fd), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(io_close(&fd), 0);
	assert_int_equal(io_set_cloexec(copy, true), -1);
	assert_int_equal(io_set_nonblocking(copy, true), -1);
	assert_int_equal(io_close(&copy), -1);
	assert_int_equal(errno, EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_go_on),
	    cmocka_unit_test(writes_go_on),
	    cmocka_unit_test(errors_of_writes),
	    cmocka_unit_test_setup_teardown(at_places, make_place, drop_place),
	    cmocka_unit_test_setup_teardown(whole_files, make_place, drop_place),
	    cmocka_unit_test_setup_teardown(files_that_cannot_be_read, make_place, drop_place),
	    cmocka_unit_test_setup_teardown(replace, make_place, drop_place),
	    cmocka_unit_test_setup_teardown(replace_like, make_place, drop_place),
	    cmocka_unit_test_setup_teardown(
		replace_in_the_working_directory, make_place, drop_place),
	    cmocka_unit_test_setup_teardown(replace_fails, make_place, drop_place),
	    cmocka_unit_test(descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
