/*
 * maildir - messages as files: see maildir.h
 *
 * The directories are kept open between messages, so that a message costs a few calls only. A struct
 * dirs is what is open of one incarnation of the mailbox; files hold on to theirs, so it does not
 * matter when the user moves the mailbox away in the middle of a delivery.
 */
#include "config.h"

#include "lib/store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/store/place.h"

#define HOST_MAX 100  /* of a name: NAME_MAX has to hold the numbers as well */
#define NAME_TRIES 16 /* names that exist already, before something else must be wrong */
#define COPY_PIECE 65536

struct dirs {
	_Atomic unsigned users;
	int tmp, new;
	dev_t dev; /* of the mailbox directory itself */
	ino_t ino;
	_Atomic uint64_t kept;   /* files renamed to new/ so far */
	_Atomic uint64_t synced; /* how many of them are durable there */
	_Atomic int broken;      /* errno of a sync that failed: no later success counts */
};

struct maildir {
	char *base, *path, *full;
	char *full_tmp, *full_new;
	char *host;
	uid_t owner;
	uint64_t size_limit;  /* of a file; 0 = none */
	pthread_mutex_t lock; /* of dirs */
	struct dirs *dirs;    /* NULL: to be opened */
	_Atomic uint64_t counter;
	long pid; /* of the process that delivers: in file names */
};

struct maildir_file {
	struct maildir *mailbox;
	struct dirs *dirs;
	int fd;
	uint64_t size, lines;
	bool in_line; /* the last byte was not an LF */
	bool kept;
	uint64_t ticket; /* its number among the kept ones */
	char name[NAME_MAX + 1];
};

/* The characters that the convention forbids in a host name are written in octal. */
static char *
host_for_names(const char *host)
{
	struct buf out = {0};

	for (; *host != '\0' && out.len < HOST_MAX; host++) {
		if (*host == '/' || *host == ':' || *host == ',' || (unsigned char)*host <= ' ')
			buf_printf(&out, "\\%03o", (unsigned)(unsigned char)*host);
		else
			buf_putc(&out, *host);
	}
	return buf_take(&out);
}

struct maildir *
maildir_new(const char *base, const char *path, uid_t owner, const char *host)
{
	struct maildir *m = MEM_NEW(struct maildir);
	struct buf full = {0};

	buf_printf(&full, "%s/%s", base, path);
	m->base = mem_strdup(base);
	m->path = mem_strdup(path);
	m->full = buf_take(&full);
	buf_printf(&full, "%s/tmp", m->full);
	m->full_tmp = buf_take(&full);
	buf_printf(&full, "%s/new", m->full);
	m->full_new = buf_take(&full);
	m->host = host_for_names(host);
	m->owner = owner;
	m->pid = (long)getpid();
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

static void
dirs_unref(struct dirs *d)
{
	if (!d || atomic_fetch_sub(&d->users, 1) > 1)
		return;
	(void)io_close(&d->tmp);
	(void)io_close(&d->new);
	free(d);
}

void
maildir_free(struct maildir **m)
{
	if (!*m)
		return;
	dirs_unref((*m)->dirs);
	pthread_mutex_destroy(&(*m)->lock);
	free((*m)->base);
	free((*m)->path);
	free((*m)->full);
	free((*m)->full_tmp);
	free((*m)->full_new);
	free((*m)->host);
	free(*m);
	*m = NULL;
}

/* --- The directories ------------------------------------------------------------------------------ */

static bool
check_owner(
    const struct maildir *m, int fd, const char *name, struct stat *st, struct store_problem *p)
{
	if (fstat(fd, st) != 0)
		return store_problem(p, errno, "%s%s", m->full, name);
	if (st->st_uid != m->owner)
		return store_problem(p, 0, "%s%s belongs to uid %ld, not to %ld", m->full, name,
		    (long)st->st_uid, (long)m->owner);
	return true;
}

static int
open_part(const struct maildir *m, int root, const char *name, bool make, struct store_problem *p)
{
	int fd = -1;
	struct stat st;

	if (!make || place_make(root, name + 1))
		fd = openat(root, name + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		store_problem(p, errno, "%s%s", m->full, name);
	else if (!check_owner(m, fd, name, &st, p))
		(void)io_close(&fd);
	return fd;
}

static bool
open_parts(struct maildir *m, int root, struct dirs *d, struct store_problem *p)
{
	struct stat st;
	int cur;

	if (!check_owner(m, root, "", &st, p))
		return false;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	d->tmp = open_part(m, root, "/tmp", true, p);
	if (d->tmp < 0)
		return false;
	d->new = open_part(m, root, "/new", true, p);
	if (d->new < 0)
		return false;
	/* Readers need it; delivery does not. */
	cur = open_part(m, root, "/cur", true, p);
	if (cur < 0)
		return false;
	(void)io_close(&cur);
	return true;
}

static struct dirs *
dirs_open(struct maildir *m, struct store_problem *p)
{
	int root = place_open(m->base, m->path, m->owner, true, NULL, p);
	struct dirs *d;

	if (root < 0)
		return NULL;
	d = MEM_NEW(struct dirs);
	d->users = 1;
	d->tmp = d->new = -1;
	if (!open_parts(m, root, d, p)) {
		dirs_unref(d);
		d = NULL;
	}
	(void)io_close(&root);
	return d;
}

/* Is PATH the directory that FD has open? Not when it was removed, or moved away. */
static bool
names_directory(const char *path, int fd)
{
	struct stat named, ours;

	return stat(path, &named) == 0 && fstat(fd, &ours) == 0 && named.st_dev == ours.st_dev &&
	    named.st_ino == ours.st_ino;
}

/* Is the mailbox still what D has open? */
static bool
still_there(const struct maildir *m, const struct dirs *d)
{
	struct stat st;

	return d->broken == 0 && stat(m->full, &st) == 0 && st.st_dev == d->dev &&
	    st.st_ino == d->ino && names_directory(m->full_tmp, d->tmp) &&
	    names_directory(m->full_new, d->new);
}

/* What is open now, NULL if nothing is, without the lock held after it. */
static struct dirs *
dirs_current(struct maildir *m)
{
	struct dirs *d;

	pthread_mutex_lock(&m->lock);
	d = m->dirs;
	if (d)
		atomic_fetch_add(&d->users, 1);
	pthread_mutex_unlock(&m->lock);
	return d;
}

/* In place of OLD, which will not do (or is not there), unless another thread has seen to it already. */
static struct dirs *
dirs_replace(struct maildir *m, struct dirs *old, struct store_problem *p)
{
	struct dirs *d;

	pthread_mutex_lock(&m->lock);
	if (m->dirs == old) {
		dirs_unref(m->dirs);
		m->dirs = dirs_open(m, p);
	}
	d = m->dirs;
	if (d)
		atomic_fetch_add(&d->users, 1);
	else if (!p->dsn)
		store_problem(p, ENOENT, "%s", m->full);
	pthread_mutex_unlock(&m->lock);
	dirs_unref(old);
	return d;
}

static struct dirs *
dirs_ref(struct maildir *m, struct store_problem *p)
{
	struct dirs *d = dirs_current(m);

	return d && still_there(m, d) ? d : dirs_replace(m, d, p);
}

bool
maildir_check(struct maildir *m, struct store_problem *p)
{
	int error = 0, root = place_open(m->base, m->path, m->owner, false, &error, p), fd = -1;
	struct stat st;

	/* It will be made: that there is a place for it is all that can be said without doing so. */
	if (root < 0 && error == ENOENT) {
		fd = place_open(m->base, "", m->owner, false, NULL, p);
	} else if (root >= 0) {
		if (check_owner(m, root, "", &st, p))
			fd = open_part(m, root, "/new", false, p);
		(void)io_close(&root);
	}
	if (fd < 0)
		return false;
	(void)io_close(&fd);
	return true;
}

/* --- A file ----------------------------------------------------------------------------------------- */

static void
choose_name(struct maildir_file *f)
{
	struct maildir *m = f->mailbox;
	int64_t now = clock_wall_us();

	snprintf(f->name, sizeof(f->name), "%" PRId64 ".M%06" PRId64 "P%ldQ%" PRIu64 ".%s",
	    now / 1000000, now % 1000000, m->pid, atomic_fetch_add(&m->counter, 1) + 1, m->host);
}

/* Tries new names until one is free. */
static bool
open_file(struct maildir_file *f)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		choose_name(f);
		f->fd = openat(f->dirs->tmp, f->name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (f->fd >= 0)
			return true;
		if (errno != EEXIST)
			return false;
	}
	return false;
}

struct maildir_file *
maildir_create(struct maildir *m, struct store_problem *p)
{
	struct maildir_file *f = MEM_NEW(struct maildir_file);
	bool ok = false;

	f->mailbox = m;
	f->fd = -1;
	f->dirs = dirs_ref(m, p);
	if (f->dirs) {
		ok = open_file(f);
		/* tmp/ was removed, and made again or not: look once more. */
		if (!ok && errno == ENOENT) {
			f->dirs = dirs_replace(m, f->dirs, p);
			ok = f->dirs && open_file(f);
		}
		if (!ok && f->dirs)
			store_problem(p, errno, "cannot create a file in %s/tmp", m->full);
	}
	if (!ok)
		maildir_drop(&f);
	return f;
}

static void
count(struct maildir_file *f, struct str text)
{
	const char *at = text.data, *end = text.data + text.len;

	if (text.len == 0)
		return;
	f->size += text.len;
	f->in_line = end[-1] != '\n';
	while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		f->lines++;
		at++;
	}
}

static bool
write_failed(const struct maildir_file *f, struct store_problem *p)
{
	return store_problem(p, errno, "cannot write to %s/tmp/%s", f->mailbox->full, f->name);
}

void
maildir_limit(struct maildir *m, uint64_t size)
{
	m->size_limit = size;
}

static bool
fits(const struct maildir_file *f, uint64_t more, struct store_problem *p)
{
	uint64_t limit = f->mailbox->size_limit;

	if (limit == 0 || (f->size <= limit && more <= limit - f->size))
		return true;
	store_problem(p, 0,
	    "the message is larger than mailbox_size_limit (%" PRIu64 ") lets a file of %s be",
	    limit, f->mailbox->full);
	p->dsn = "4.2.2";
	return false;
}

bool
maildir_write(struct maildir_file *f, struct str text, struct store_problem *p)
{
	if (!fits(f, text.len, p))
		return false;
	if (text.len > 0 && io_write_all(f->fd, text.data, text.len) != 0)
		return write_failed(f, p);
	count(f, text);
	return true;
}

static bool
copy(struct maildir_file *f, const struct store_message *message, struct store_problem *p)
{
	uint64_t done = 0;
	char *piece = mem_alloc(COPY_PIECE);
	bool ok = true;

	while (ok && done < message->size) {
		uint64_t left = message->size - done;
		ssize_t n = io_pread_full(message->fd, piece,
		    left < COPY_PIECE ? (size_t)left : COPY_PIECE, message->at + (off_t)done);

		if (n <= 0)
			ok = store_problem(p, n < 0 ? errno : EIO, "cannot read the message again");
		else
			ok = maildir_write(f, str_n(piece, (size_t)n), p);
		done += n > 0 ? (uint64_t)n : 0;
	}
	free(piece);
	return ok;
}

bool
maildir_put(struct maildir_file *f, const struct store_message *message, struct store_problem *p)
{
	struct str last = message->body.len > 0 ? message->body : message->head;
	bool open_line = last.len > 0 && last.data[last.len - 1] != '\n';
	struct iovec parts[] = {
	    {(void *)(uintptr_t)message->head.data, message->head.len},
	    {(void *)(uintptr_t)message->body.data, message->body.len},
	    {(void *)(uintptr_t) "\n", open_line ? 1 : 0},
	};
	size_t total = parts[0].iov_len + parts[1].iov_len + parts[2].iov_len;
	ssize_t n;

	if (message->fd >= 0)
		return maildir_write(f, message->head, p) && copy(f, message, p);
	if (!fits(f, total, p))
		return false;
	n = writev(f->fd, parts, 3);
	if (n == (ssize_t)total) {
		count(f, message->head);
		count(f, message->body);
		count(f, str_n(parts[2].iov_base, parts[2].iov_len));
		return true;
	}
	/* Rare (a full disk, a signal): once more from the start, piece by piece, to hear why. */
	if (lseek(f->fd, 0, SEEK_SET) != 0 || ftruncate(f->fd, 0) != 0)
		return write_failed(f, p);
	return maildir_write(f, message->head, p) && maildir_write(f, message->body, p);
}

/* A file system that cannot rename without replacing gets a link instead. */
static bool
move(const struct dirs *d, const char *from, const char *to)
{
	if (renameat2(d->tmp, from, d->new, to, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	if (linkat(d->tmp, from, d->new, to, 0) != 0)
		return false;
	/* It is delivered whether or not this works; readers clean tmp/ up. */
	(void)unlinkat(d->tmp, from, 0);
	return true;
}

void
maildir_begin_sync(const struct maildir_file *f)
{
	/* A hint; what it could say, the sync says. */
	(void)sync_file_range(f->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

bool
maildir_keep(struct maildir_file *f, const atomic_bool *given_up, struct store_problem *p)
{
	char name[NAME_MAX + 1];
	int n;

	if (f->in_line && !maildir_write(f, STR("\n"), p))
		return false;
	if (fsync(f->fd) != 0)
		return store_problem(p, errno, "cannot sync %s/tmp/%s", f->mailbox->full, f->name);
	n = snprintf(name, sizeof(name), "%s,S=%" PRIu64 ",W=%" PRIu64, f->name, f->size,
	    f->size + f->lines);
	if (n < 0 || (size_t)n >= sizeof(name))
		return store_problem(p, ENAMETOOLONG, "%s/new", f->mailbox->full);
	if (given_up && atomic_load(given_up))
		return store_problem(p, 0, "delivery given up");
	if (!move(f->dirs, f->name, name))
		return store_problem(
		    p, errno, "cannot move %s/tmp/%s to new", f->mailbox->full, f->name);
	memcpy(f->name, name, sizeof(name));
	f->kept = true;
	f->ticket = atomic_fetch_add(&f->dirs->kept, 1) + 1;
	return true;
}

bool
maildir_durable(const struct maildir_file *f)
{
	return atomic_load(&f->dirs->synced) >= f->ticket;
}

bool
maildir_sync(struct maildir_file *f, struct store_problem *p)
{
	struct dirs *d = f->dirs;
	uint64_t covered = atomic_load(&d->kept), before;
	int error = atomic_load(&d->broken);

	if (maildir_durable(f))
		return true;
	if (error == 0 && fsync(d->new) != 0) {
		error = errno;
		atomic_store(&d->broken, error);
	}
	if (error != 0) {
		/* Not there any more: a reader has taken it, which is a delivery of sorts. */
		(void)unlinkat(d->new, f->name, 0);
		return store_problem(p, error, "cannot sync %s/new", f->mailbox->full);
	}
	before = atomic_load(&d->synced);
	while (before < covered && !atomic_compare_exchange_weak(&d->synced, &before, covered))
		continue;
	return true;
}

int
maildir_fd(const struct maildir_file *f)
{
	return f->fd;
}

uint64_t
maildir_size(const struct maildir_file *f)
{
	return f->size;
}

void
maildir_drop(struct maildir_file **file)
{
	struct maildir_file *f = *file;

	if (!f)
		return;
	if (f->fd >= 0 && !f->kept)
		(void)unlinkat(f->dirs->tmp, f->name, 0);
	/* What close() could say, fsync() has said already. */
	(void)io_close(&f->fd);
	dirs_unref(f->dirs);
	free(f);
	*file = NULL;
}
