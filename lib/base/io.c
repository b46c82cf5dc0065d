/*
 * io - file descriptors done right
 *
 * Trusts the paths it is given: they come from configuration, not from strangers.
 */
#include "config.h"

#include "lib/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 8192 /* bytes asked for at once when a file is read whole */

int
io_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put == 0)
			errno = EIO;
		if (put <= 0)
			return -1;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

int
io_pwrite_all(int fd, const void *data, size_t n, off_t at)
{
	const char *p = data;

	while (n > 0) {
		ssize_t put = pwrite(fd, p, n, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put == 0)
			errno = EIO;
		if (put <= 0)
			return -1;
		p += put;
		n -= (size_t)put;
		at += put;
	}
	return 0;
}

ssize_t
io_read_full(int fd, void *data, size_t n)
{
	char *p = data;
	size_t have = 0;

	while (have < n) {
		ssize_t got = read(fd, p + have, n - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

ssize_t
io_pread_full(int fd, void *data, size_t n, off_t at)
{
	char *p = data;
	size_t have = 0;

	while (have < n) {
		ssize_t got = pread(fd, p + have, n - have, at + (off_t)have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

/* Reads FD to its end behind what B holds; EFBIG behind MAX bytes. */
static int
read_to_end(int fd, size_t max, struct buf *b)
{
	size_t sum = 0;

	for (;;) {
		size_t step = max - sum < READ_STEP ? max - sum + 1 : READ_STEP;
		ssize_t got = io_read_full(fd, buf_reserve(b, step), step);

		if (got < 0)
			return -1;
		if ((size_t)got > max - sum) {
			errno = EFBIG;
			return -1;
		}
		b->len += (size_t)got;
		sum += (size_t)got;
		if ((size_t)got < step)
			return 0;
	}
}

/* Closes FD and keeps errno: for the ways out that already have an error to tell. */
static void
close_quietly(int *fd)
{
	int saved = errno;

	io_close(fd);
	errno = saved;
}

int
io_read_rest(int fd, size_t max, struct buf *b)
{
	size_t before = b->len;
	int result = read_to_end(fd, max, b);

	if (result != 0)
		buf_truncate(b, before);
	return result;
}

int
io_read_file(const char *path, size_t max, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), result;

	if (fd < 0)
		return -1;
	result = io_read_rest(fd, max, b);
	close_quietly(&fd);
	return result;
}

int
io_close(int *fd)
{
	int result = 0;

	if (*fd != -1)
		result = close(*fd);
	*fd = -1;
	/* Linux has closed it even when it says EINTR: to try again could close another's file. */
	return result != 0 && errno == EINTR ? 0 : result;
}

int
io_set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -1 : 0;
}

int
io_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -1 : 0;
}

static int
sync_fd(int fd)
{
	int result;

	do
		result = fsync(fd);
	while (result != 0 && errno == EINTR);
	return result;
}

/* Owner first: changing it takes set-id bits away. */
static int
make_like(int fd, const struct stat *like)
{
	struct stat now;

	if (fstat(fd, &now) != 0)
		return -1;
	if ((now.st_uid != like->st_uid || now.st_gid != like->st_gid) &&
	    fchown(fd, like->st_uid, like->st_gid) != 0)
		return -1;
	return fchmod(fd, like->st_mode & 07777);
}

/* Makes the file TEMPORARY with DATA and has it on the disk. A file left by an earlier process goes. */
static int
write_temporary(
    const char *temporary, const void *data, size_t n, mode_t mode, const struct stat *like)
{
	int fd;

	if (unlink(temporary) != 0 && errno != ENOENT)
		return -1;
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -1;
	if ((like && make_like(fd, like) != 0) || io_write_all(fd, data, n) != 0 ||
	    sync_fd(fd) != 0) {
		close_quietly(&fd);
		return -1;
	}
	return io_close(&fd);
}

/* The directory that holds PATH, in DIR. */
static const char *
parent_of(const char *path, struct buf *dir)
{
	const char *slash = strrchr(path, '/');

	buf_reset(dir);
	if (!slash)
		buf_putc(dir, '.');
	else if (slash == path)
		buf_putc(dir, '/');
	else
		buf_append(dir, path, (size_t)(slash - path));
	return buf_cstr(dir);
}

static int
replace_file(const char *path, const void *data, size_t n, mode_t mode, const struct stat *like)
{
	struct buf temporary = {0}, dir = {0};
	int result = -1, saved;

	buf_printf(&temporary, "%s.tmp.%ld", path, (long)getpid());
	if (write_temporary(buf_cstr(&temporary), data, n, mode, like) != 0 ||
	    rename(buf_cstr(&temporary), path) != 0) {
		saved = errno;
		unlink(buf_cstr(&temporary));
		errno = saved;
	} else {
		result = io_sync_dir(parent_of(path, &dir));
	}
	saved = errno;
	buf_free(&temporary);
	buf_free(&dir);
	errno = saved;
	return result;
}

int
io_replace_file(const char *path, const void *data, size_t n, mode_t mode)
{
	return replace_file(path, data, n, mode, NULL);
}

int
io_replace_file_like(const char *path, const void *data, size_t n, const struct stat *like)
{
	return replace_file(path, data, n, like->st_mode & 0600, like);
}

int
io_sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;

	if (fd < 0)
		return -1;
	result = sync_fd(fd);
	close_quietly(&fd);
	return result;
}

bool
io_tidy_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
			return false;
	}
	if (close_range(3, ~0u, 0) < 0)
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
	return true;
}
