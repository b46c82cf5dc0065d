/*
 * mbox - a mailbox file, its locks, and the way back when something fails: see mbox.h
 *
 * The file is opened anew for every lock, so that nothing is written to one that its owner has moved
 * away. What stands in the directory is not trusted: links, devices and files of others are refused.
 */
#include "config.h"

#include "lib/store/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/store/mbox_escape.h"
#include "lib/store/place.h"

#define PIECE 65536

struct mbox {
	char *base, *dir, *name, *lock_name;
	char *full; /* for messages */
	struct mbox_options options;

	/* While locked: */
	int dir_fd, fd;
	int lock_fd;     /* our FILE.lock; -1: none */
	uint64_t size;   /* now */
	uint64_t before; /* when it was locked */
};

struct mbox *
mbox_new(const struct mbox_options *options)
{
	struct mbox *m = MEM_NEW(struct mbox);
	struct str path = str_c(options->path);
	size_t slash = str_rchr(path, '/');
	struct buf text = {0};

	m->options = *options;
	m->options.base = m->options.path = NULL;
	m->base = mem_strdup(options->base);
	m->dir = str_dup(slash == STR_NPOS ? STR_EMPTY : str_sub(path, 0, slash));
	m->name = str_dup(slash == STR_NPOS ? path : str_from(path, slash + 1));
	buf_printf(&text, "%s.lock", m->name);
	m->lock_name = buf_take(&text);
	buf_printf(&text, "%s/%s", options->base, options->path);
	m->full = buf_take(&text);
	m->dir_fd = m->fd = m->lock_fd = -1;
	return m;
}

void
mbox_free(struct mbox **m)
{
	if (!*m)
		return;
	mbox_unlock(*m);
	free((*m)->base);
	free((*m)->dir);
	free((*m)->name);
	free((*m)->lock_name);
	free((*m)->full);
	free(*m);
	*m = NULL;
}

/* --- Opening ---------------------------------------------------------------------------------------- */

static bool
check_file(const struct mbox *m, const struct stat *st, struct store_problem *p)
{
	if (!S_ISREG(st->st_mode))
		return store_problem(p, 0, "mailbox %s is not a regular file", m->full);
	if (st->st_nlink != 1)
		return store_problem(
		    p, 0, "mailbox %s has %lu links", m->full, (unsigned long)st->st_nlink);
	if (st->st_uid != m->options.owner && !m->options.any_owner)
		return store_problem(p, 0,
		    "mailbox %s belongs to uid %ld, not to %ld (strict_mailbox_ownership)", m->full,
		    (long)st->st_uid, (long)m->options.owner);
	return true;
}

static bool
open_failed(const struct mbox *m, struct store_problem *p)
{
	if (errno == ELOOP)
		return store_problem(p, 0, "mailbox %s is a symbolic link", m->full);
	return store_problem(p, errno, "cannot open mailbox %s", m->full);
}

/* Opens the mailbox, or makes it; whoever makes it at the same time is welcome. */
static bool
open_file(struct mbox *m, struct stat *st, struct store_problem *p)
{
	const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	m->fd = openat(m->dir_fd, m->name, flags);
	if (m->fd < 0 && errno == ENOENT) {
		m->fd = openat(m->dir_fd, m->name, flags | O_CREAT | O_EXCL, 0600);
		if (m->fd < 0 && errno == EEXIST)
			m->fd = openat(m->dir_fd, m->name, flags);
	}
	if (m->fd < 0 || fstat(m->fd, st) != 0)
		return open_failed(m, p);
	return check_file(m, st, p);
}

bool
mbox_check(struct mbox *m, struct store_problem *p)
{
	int error = 0, dir = place_open(m->base, m->dir, m->options.owner, false, &error, p);
	struct stat st;
	bool ok;

	if (dir < 0 && error == ENOENT && *m->dir)
		dir = place_open(m->base, "", m->options.owner, false, NULL, p);
	if (dir < 0)
		return false;
	if (fstatat(dir, m->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		ok = check_file(m, &st, p);
	else
		ok = errno == ENOENT || open_failed(m, p);
	(void)io_close(&dir);
	return ok;
}

/* --- Locks ------------------------------------------------------------------------------------------ */

/*
 * While we have it, FILE.lock is itself locked with flock(), and tells so by what stands in it: the
 * kernel lets go of the lock of a process that was killed, so that nobody has to wait for such a file to
 * become stale.
 */
static const struct str lock_words = {"postkeep\n", 9};

/* Is FILE.lock the file that FD has open? */
static bool
names_lock(const struct mbox *m, int fd)
{
	struct stat named, ours;

	return fstat(fd, &ours) == 0 &&
	    fstatat(m->dir_fd, m->lock_name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    named.st_dev == ours.st_dev && named.st_ino == ours.st_ino;
}

static bool
make_dotlock(struct mbox *m)
{
	int fd = openat(
	    m->dir_fd, m->lock_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	m->lock_fd = fd;
	/* Without all of the words the file is like any other program's, and is waited for. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)io_write_all(fd, lock_words.data, lock_words.len);
	return true;
}

/* The holder of such a file was killed: takes its place in removing it. */
static bool
abandoned(const struct mbox *m, int fd)
{
	char words[16];
	ssize_t n = io_pread_full(fd, words, sizeof(words), 0);

	return n == (ssize_t)lock_words.len &&
	    memcmp(words, lock_words.data, lock_words.len) == 0 &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0 && names_lock(m, fd);
}

/*
 * A lock that nobody has touched for so long, or whose holder is dead, has no owner any more. A file of another user is
 * none: it is the mailbox of somebody whose name ends in ".lock".
 */
static void
remove_stale(struct mbox *m)
{
	int fd = openat(
	    m->dir_fd, m->lock_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	bool stale = fstatat(m->dir_fd, m->lock_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && (st.st_uid == m->options.owner || st.st_uid == 0) &&
	    st.st_ctime + m->options.stale < clock_wall();

	if (stale || (fd >= 0 && abandoned(m, fd)))
		(void)unlinkat(m->dir_fd, m->lock_name, 0);
	(void)io_close(&fd);
}

static enum mbox_status
take_dotlock(struct mbox *m, struct store_problem *p)
{
	if (make_dotlock(m))
		return MBOX_OK;
	if (errno == EEXIST) {
		remove_stale(m);
		if (make_dotlock(m))
			return MBOX_OK;
	}
	store_problem(p, errno, "cannot create lock file %s.lock", m->full);
	return errno == EEXIST ? MBOX_BUSY : MBOX_FAILED;
}

static void
release_dotlock(struct mbox *m)
{
	/* If it took us so long that somebody removed it as stale, the one there now is theirs. */
	if (names_lock(m, m->lock_fd))
		(void)unlinkat(m->dir_fd, m->lock_name, 0);
	(void)io_close(&m->lock_fd);
}

static enum mbox_status
take_file_locks(struct mbox *m, struct store_problem *p)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	const char *kind = "fcntl";
	int result = 0;

	if (m->options.locks & MBOX_LOCK_FCNTL)
		result = fcntl(m->fd, F_SETLK, &all);
	if (result == 0 && (m->options.locks & MBOX_LOCK_FLOCK)) {
		kind = "flock";
		result = flock(m->fd, LOCK_EX | LOCK_NB);
	}
	if (result == 0)
		return MBOX_OK;
	store_problem(p, errno, "cannot lock mailbox %s (%s)", m->full, kind);
	return errno == EAGAIN || errno == EACCES ? MBOX_BUSY : MBOX_FAILED;
}

/* Is the file that we have locked still the mailbox? A reader may have put another one in its place. */
static enum mbox_status
still_there(struct mbox *m, struct store_problem *p)
{
	struct stat named, ours;

	if (fstat(m->fd, &ours) != 0 ||
	    fstatat(m->dir_fd, m->name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
	    named.st_dev != ours.st_dev || named.st_ino != ours.st_ino) {
		store_problem(p, 0, "mailbox %s was replaced while it was being locked", m->full);
		return MBOX_BUSY;
	}
	m->size = m->before = (uint64_t)ours.st_size;
	return check_file(m, &ours, p) ? MBOX_OK : MBOX_FAILED;
}

static enum mbox_status
open_and_lock(struct mbox *m, struct store_problem *p)
{
	enum mbox_status status = MBOX_OK;
	struct stat st;

	m->dir_fd = place_open(m->base, m->dir, m->options.owner, true, NULL, p);
	if (m->dir_fd < 0)
		return MBOX_FAILED;
	if (m->options.locks & MBOX_LOCK_DOTLOCK)
		status = take_dotlock(m, p);
	if (status == MBOX_OK && !open_file(m, &st, p))
		status = MBOX_FAILED;
	if (status == MBOX_OK)
		status = take_file_locks(m, p);
	if (status == MBOX_OK)
		status = still_there(m, p);
	return status;
}

enum mbox_status
mbox_lock(struct mbox *m, struct store_problem *p)
{
	enum mbox_status status = open_and_lock(m, p);

	if (status != MBOX_OK)
		mbox_unlock(m);
	return status;
}

void
mbox_unlock(struct mbox *m)
{
	/* Closing gives up the locks on the file itself. */
	(void)io_close(&m->fd);
	if (m->lock_fd >= 0)
		release_dotlock(m);
	(void)io_close(&m->dir_fd);
}

/* --- Appending -------------------------------------------------------------------------------------- */

static bool
back_to(struct mbox *m, uint64_t size, struct store_problem *p)
{
	if (ftruncate(m->fd, (off_t)size) != 0)
		buf_printf(&p->why,
		    "; and the mailbox could not be cut back to %" PRIu64 " bytes: %s", size,
		    strerror(errno));
	else
		m->size = size;
	return false;
}

static bool
fits(const struct mbox *m, uint64_t size, uint64_t more, struct store_problem *p)
{
	uint64_t limit = m->options.size_limit;

	if (limit == 0 || (size <= limit && more <= limit - size))
		return true;
	store_problem(p, 0,
	    "mailbox %s is full: it has %" PRIu64 " bytes, and with this message more than "
	    "mailbox_size_limit (%" PRIu64 ")",
	    m->full, size, limit);
	p->dsn = "4.2.2";
	return false;
}

static bool
write_piece(struct mbox *m, struct buf *out, struct store_problem *p)
{
	if (io_write_all(m->fd, out->data, out->len) != 0)
		return store_problem(p, errno, "cannot write to mailbox %s", m->full);
	m->size += out->len;
	buf_reset(out);
	return true;
}

/* What was there may end in the middle of a line: a message begins after an empty one. */
static bool
start_message(
    struct mbox *m, const struct store_message *message, struct buf *out, struct store_problem *p)
{
	char tail[2] = {'\n', '\n'};
	size_t n = m->size < 2 ? (size_t)m->size : 2;

	if (n > 0 && io_pread_full(m->fd, tail + (2 - n), n, (off_t)(m->size - n)) != (ssize_t)n)
		return store_problem(p, errno, "cannot read mailbox %s", m->full);
	if (tail[1] != '\n')
		buf_puts(out, "\n\n");
	else if (tail[0] != '\n')
		buf_putc(out, '\n');
	buf_str(out, message->envelope);
	buf_str(out, message->head);
	return true;
}

static bool
write_from_file(struct mbox *m, const struct store_message *message, struct mbox_escape *e,
    struct buf *out, struct store_problem *p)
{
	uint64_t done = 0;
	char *piece = mem_alloc(PIECE);
	bool ok = true;

	while (ok && done < message->size) {
		uint64_t left = message->size - done;
		ssize_t n = io_pread_full(message->fd, piece, left < PIECE ? (size_t)left : PIECE,
		    message->at + (off_t)done);

		if (n <= 0) {
			ok = store_problem(p, n < 0 ? errno : EIO, "cannot read the message again");
			break;
		}
		mbox_escape(e, str_n(piece, (size_t)n), out);
		ok = write_piece(m, out, p);
		done += (uint64_t)n;
	}
	free(piece);
	return ok;
}

bool
mbox_append(struct mbox *m, const struct store_message *message, struct store_problem *p)
{
	uint64_t start = m->size;
	uint64_t more = message->envelope.len + message->head.len +
	    (message->fd >= 0 ? message->size : message->body.len);
	struct mbox_escape escape = {0};
	struct buf out = {0};
	bool ok = fits(m, start, more, p) && start_message(m, message, &out, p);

	if (ok && message->fd >= 0)
		ok = write_from_file(m, message, &escape, &out, p);
	else if (ok)
		mbox_escape(&escape, message->body, &out);
	if (ok) {
		mbox_escape_end(&escape, &out);
		buf_putc(&out, '\n');
		/* Escaping has made it longer: now it is known how much. */
		ok = fits(m, start, m->size - start + out.len, p) && write_piece(m, &out, p);
	}
	buf_free(&out);
	return ok || back_to(m, start, p);
}

bool
mbox_commit(struct mbox *m, struct store_problem *p)
{
	/* Empty before: made by us, or by somebody who was killed before the entry was durable. */
	if (fsync(m->fd) == 0 && (m->before > 0 || place_sync(m->dir_fd, m->fd)))
		return true;
	store_problem(p, errno, "cannot sync mailbox %s", m->full);
	return back_to(m, m->before, p);
}
