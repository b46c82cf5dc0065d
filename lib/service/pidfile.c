/* pidfile - the lock of master; the directory it lies in belongs to root (or the suite's one user). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/service/pidfile.h"

#define PIDFILE_PATH "pid/master.pid"
#define LOCK_PATH "pid/master.lock"
#define PIDFILE_MAX 4096

static struct flock
whole_file(void)
{
	return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* The text of the pid file; returns the process id in it, 0 if there is none. */
static pid_t
read_text(int dir, struct pidfile_info *info)
{
	int fd = openat(dir, PIDFILE_PATH, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char data[PIDFILE_MAX];
	ssize_t got = fd < 0 ? 0 : io_read_full(fd, data, sizeof(data));
	struct str text = str_n(data, got < 0 ? 0 : (size_t)got), line;
	uint64_t n, pid = 0;

	io_close(&fd);
	if (!str_token(&text, "\n", &line) || !str_to_u64(str_trim(line), INT32_MAX, &pid))
		return 0;
	if (str_token(&text, "\n", &line) && line.len < sizeof(info->config))
		memcpy(info->config, line.data, line.len);
	if (str_token(&text, "\n", &line) && str_to_u64(line, INT64_MAX, &n))
		info->since = (int64_t)n;
	return (pid_t)pid;
}

bool
pidfile_query(const char *queue_directory, struct pidfile_info *info, struct buf *why)
{
	struct flock lock = whole_file();
	int dir = open(queue_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	bool ok = true;
	pid_t pid;

	memset(info, 0, sizeof(*info));
	if (dir < 0 && errno == ENOENT)
		return true;
	if (dir < 0) {
		buf_printf(why, "%s: %s", queue_directory, strerror(errno));
		return false;
	}
	pid = read_text(dir, info);
	/* To ask needs no right to write: a disk that has become read-only must not keep anybody from stopping. */
	fd = openat(dir, LOCK_PATH, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0) {
		info->pid = lock.l_type == F_UNLCK ? 0 : lock.l_pid > 0 ? lock.l_pid : pid;
	} else if (fd < 0 && errno == EACCES) {
		/* Not ours to lock: take the file's word if such a process lives. */
		info->pid = pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) ? pid : 0;
	} else if (errno != ENOENT) {
		buf_printf(why, "%s/%s: %s", queue_directory, LOCK_PATH, strerror(errno));
		ok = false;
	}
	info->stale = info->pid == 0 && pid > 0;
	io_close(&fd);
	io_close(&dir);
	return ok;
}

static int
open_own(const char *path, mode_t mode, struct buf *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || fchmod(fd, mode) < 0) {
		buf_printf(why, "cannot open %s: %s", path, strerror(errno));
		io_close(&fd);
	} else if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid()) {
		buf_printf(why, "%s is not a plain file of our own: remove it", path);
		io_close(&fd);
	}
	return fd;
}

/* The descriptor stays open until the process ends: closing it would give the lock up. */
static bool
take_lock(struct buf *why)
{
	struct flock lock = whole_file();
	int fd = open_own(LOCK_PATH, 0600, why);

	if (fd < 0)
		return false;
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return true;
	if ((errno == EAGAIN || errno == EACCES) && fcntl(fd, F_GETLK, &lock) == 0 &&
	    lock.l_type != F_UNLCK)
		buf_printf(
		    why, "the mail system is already running: process %ld", (long)lock.l_pid);
	else
		buf_printf(why, "cannot lock %s: %s", LOCK_PATH, strerror(errno));
	io_close(&fd);
	return false;
}

bool
pidfile_take(const char *config, bool *stale, struct buf *why)
{
	struct buf text = {0};
	struct stat st;
	bool ok;
	int fd;

	if (!take_lock(why))
		return false;
	fd = open_own(PIDFILE_PATH, 0644, why);
	if (fd < 0)
		return false;
	buf_printf(&text, "%ld\n%s\n%lld\n", (long)getpid(), config, (long long)clock_wall());
	ok = fstat(fd, &st) == 0 && ftruncate(fd, 0) == 0 &&
	    io_pwrite_all(fd, text.data, text.len, 0) == 0;
	if (ok)
		*stale = st.st_size > 0;
	else
		buf_printf(why, "cannot write %s: %s", PIDFILE_PATH, strerror(errno));
	io_close(&fd);
	buf_free(&text);
	return ok;
}

void
pidfile_release(void)
{
	if (truncate(PIDFILE_PATH, 0) < 0)
		log_warning("cannot empty %s: %s", PIDFILE_PATH, strerror(errno));
}
