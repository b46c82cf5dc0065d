/*
 * maildrop - messages that postdrop has stored while pickup or qmgr were away
 *
 * The directory is ours, the files are strangers': each is opened without following links, must be a
 * regular file with one name, and is parsed as drop.h says. Its owner is the submitter.
 *
 * A file is removed when qmgr has the message; stopped in between, pickup hands it over a second time.
 * One that cannot be removed is remembered, and only its removal is tried again.
 * What can never be taken is renamed to "bad.NAME" and stays for the administrator: an accepted message
 * is not thrown away. Files that were never completed go when they are a day old.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/fiber/fiber.h"
#include "lib/queue/drop.h"
#include "pickup/message.h"
#include "pickup/session.h"

#define DIRECTORY "maildrop"
#define BAD_PREFIX "bad."
#define SET_ASIDE_TRIES 100
#define NAME_SIZE 128  /* longer names are not postdrop's */
#define NAMES_MAX 4096 /* looked at in one round; the next one follows at once */
#define TAKEN_MAX                                                                                  \
	1000 /* names remembered: beyond that nothing is taken, the directory is in trouble */
#define READ_SIZE 65536
#define STALE_SECONDS 86400
#define QMGR_WAIT_MS 10000

struct scanner {
	bool running;
	bool stop;
	struct fiber_waitq done;
	bool initialized;
	struct hash *taken; /* names of files that are queued and could not be removed */
};
static struct scanner scanner;

/* ---- The directory: in a worker thread ------------------------------------------------------- */

struct listing {
	char (*names)[NAME_SIZE];
	size_t n;
	size_t stale; /* unfinished files that were removed */
	bool more;    /* there were more than NAMES_MAX */
	int error;    /* errno of opening or reading it */
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Looks at one name: a message, something unfinished, or nothing of ours. */
static void
look_at(int dir, const char *name, time_t now, struct listing *l)
{
	struct stat st;

	if (name[0] == '.' || strlen(name) >= NAME_SIZE || l->n == NAMES_MAX ||
	    strncmp(name, BAD_PREFIX, strlen(BAD_PREFIX)) == 0 ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISREG(st.st_mode) && !(st.st_mode & S_IXUSR)) {
		if (now - st.st_mtime > STALE_SECONDS && unlinkat(dir, name, 0) == 0)
			l->stale++;
		return;
	}
	memcpy(l->names[l->n++], name, strlen(name) + 1);
}

static void
list_directory(void *arg)
{
	struct listing *l = arg;
	DIR *dir = opendir(DIRECTORY);
	const struct dirent *e;
	time_t now = clock_wall();

	if (dir == NULL) {
		l->error = errno;
		return;
	}
	while (errno = 0, (e = readdir(dir)) != NULL)
		look_at(dirfd(dir), e->d_name, now, l);
	l->error = errno;
	l->more = l->n == NAMES_MAX;
	closedir(dir);
	/* Names begin with the time of submission. */
	qsort(l->names, l->n, sizeof(l->names[0]), compare_names);
}

/* ---- One file -------------------------------------------------------------------------------- */

enum fate {
	FATE_DONE,  /* qmgr has it */
	FATE_LATER, /* not now, and others neither: qmgr is away */
	FATE_SKIP,  /* this one not now */
	FATE_BAD,   /* never */
	FATE_GONE,  /* no longer there, or taken before */
};

struct file {
	char path[NAME_SIZE + sizeof(DIRECTORY)];
	int fd;
	struct stat st;
	/* A step in a worker thread. */
	char *data;
	ssize_t got;
	int error;
	/* What has been read. */
	struct buf in;
	struct arena *arena;
	struct drop_reader *reader;
	struct msg_rcpt *rcpts;
	size_t n_rcpts, cap_rcpts;
	struct message *message;
	bool submitted_envelope;
	char why[300];
};

static void
open_file(void *arg)
{
	struct file *f = arg;

	f->error = 0;
	f->fd = open(f->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &f->st) < 0)
		f->error = errno;
}

static void
read_file(void *arg)
{
	struct file *f = arg;

	f->got = io_read_full(f->fd, f->data, READ_SIZE);
	f->error = f->got < 0 ? errno : 0;
}

static void
unlink_file(void *arg)
{
	struct file *f = arg;

	f->error = unlink(f->path) < 0 ? errno : 0;
}

/* To "bad.NAME", or "bad.1.NAME" … when there is such a one. */
static void
set_aside(void *arg)
{
	struct file *f = arg;
	const char *name = f->path + sizeof(DIRECTORY);
	char to[sizeof(f->path) + sizeof(BAD_PREFIX) + 4];

	snprintf(to, sizeof(to), DIRECTORY "/" BAD_PREFIX "%s", name);
	for (int i = 1; i < SET_ASIDE_TRIES; i++) {
		f->error = 0;
		if (renameat2(AT_FDCWD, f->path, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
			return;
		f->error = errno;
		if (f->error != EEXIST)
			return;
		snprintf(to, sizeof(to), DIRECTORY "/" BAD_PREFIX "%d.%s", i, name);
	}
}

static enum fate
because(struct file *f, enum fate fate, const char *why)
{
	snprintf(f->why, sizeof(f->why), "%s", why);
	return fate;
}

static void
add_rcpt(struct file *f, struct msg_rcpt rcpt)
{
	if (f->n_rcpts == f->cap_rcpts) {
		f->cap_rcpts = f->cap_rcpts ? f->cap_rcpts * 2 : 16;
		f->rcpts = mem_resize(f->rcpts, f->cap_rcpts * sizeof(*f->rcpts));
	}
	rcpt.address = arena_str(f->arena, rcpt.address);
	rcpt.orcpt = arena_str(f->arena, rcpt.orcpt);
	f->rcpts[f->n_rcpts++] = rcpt;
}

/* LATER: what becomes of it when the refusal is not for ever. */
static enum fate
fate_of(struct file *f, const struct message_no *no, enum fate later)
{
	return because(f, no->status == EX_TEMPFAIL ? later : FATE_BAD, no->text);
}

/* The envelope is complete: asks qmgr for a place. FATE_DONE: go on. */
static enum fate
begin(struct file *f)
{
	int64_t arrival_us = (int64_t)f->st.st_mtim.tv_sec * 1000000 + f->st.st_mtim.tv_nsec / 1000;
	struct message_no no;

	if (f->submitted_envelope)
		return FATE_DONE;
	f->submitted_envelope = true;
	f->message = message_begin(f->st.st_uid, arrival_us, fiber_after(QMGR_WAIT_MS), &no);
	if (f->message == NULL)
		return fate_of(f, &no, FATE_LATER);
	if (message_envelope(f->message, drop_envelope(f->reader), f->rcpts, f->n_rcpts))
		return FATE_DONE;
	(void)message_commit(&f->message, &no);
	return fate_of(f, &no, FATE_SKIP);
}

/* One event of the reader. FATE_DONE: go on. */
static enum fate
take_event(struct file *f, enum drop_event event, struct str text)
{
	struct message_no no;
	enum fate so_far = FATE_DONE;

	switch (event) {
	case DROP_RCPT:
		add_rcpt(f, drop_rcpt(f->reader));
		break;
	case DROP_CONTENT:
		so_far = begin(f);
		if (so_far != FATE_DONE || message_content(f->message, text))
			break;
		(void)message_commit(&f->message, &no);
		return fate_of(f, &no, FATE_SKIP);
	case DROP_END:
		return begin(f);
	case DROP_BAD:
		return because(f, FATE_BAD, drop_why(f->reader));
	case DROP_NEED:
	case DROP_ENVELOPE:
		break;
	}
	return so_far;
}

/* Reads and submits all of it. FATE_DONE: whole, but not yet committed. */
static enum fate
read_stream(struct file *f)
{
	enum drop_event event = DROP_NEED;
	enum fate so_far = FATE_DONE;

	for (;;) {
		struct str in, text = STR_EMPTY;

		f->data = buf_reserve(&f->in, READ_SIZE);
		fiber_offload(FIBER_POOL_READ, read_file, f);
		if (f->error)
			return because(f, FATE_SKIP, strerror(f->error));
		if (f->got == 0)
			return event == DROP_END ? FATE_DONE
						 : because(f, FATE_BAD, "the file is not complete");
		f->in.len += (size_t)f->got;
		in = buf_view(&f->in);
		do {
			event = drop_next(f->reader, &in, &text);
			so_far = take_event(f, event, text);
		} while (so_far == FATE_DONE && event != DROP_NEED && event != DROP_END);
		if (so_far != FATE_DONE)
			return so_far;
		buf_consume(&f->in, f->in.len - in.len);
	}
}

static enum fate
check_and_read(struct file *f)
{
	int64_t limit = conf_int(conf_get(), P_message_size_limit);
	enum fate so_far;
	struct message_no no;

	fiber_offload(FIBER_POOL_READ, open_file, f);
	if (f->error == ENOENT)
		return FATE_GONE;
	if (f->error == ELOOP)
		return because(f, FATE_BAD, "a symbolic link");
	/* A socket, which cannot be opened. */
	if (f->error == ENXIO)
		return because(f, FATE_BAD, "not a regular file");
	if (f->error)
		return because(f, FATE_SKIP, strerror(f->error));
	if (!S_ISREG(f->st.st_mode))
		return because(f, FATE_BAD, "not a regular file");
	if (f->st.st_nlink != 1)
		return because(f, FATE_BAD, "the file has more than one name");
	f->reader = drop_reader_of_file(limit > 0 ? (uint64_t)limit : 0);
	so_far = read_stream(f);
	if (so_far != FATE_DONE)
		return so_far;
	return message_commit(&f->message, &no) ? FATE_DONE : fate_of(f, &no, FATE_SKIP);
}

/* The message is in the queue: its file goes. One that stays must not be queued again. */
static void
remove_taken(struct file *f)
{
	struct str name = str_c(f->path + sizeof(DIRECTORY));

	fiber_offload(FIBER_POOL_SYNC, unlink_file, f);
	if (f->error == 0 || f->error == ENOENT) {
		hash_del(scanner.taken, name);
		return;
	}
	log_error("remove %s, which is queued: %s", f->path, strerror(f->error));
	hash_put(scanner.taken, name, &scanner);
}

static void
clean_up(struct file *f, enum fate so_far)
{
	if (so_far == FATE_DONE) {
		remove_taken(f);
	} else if (so_far == FATE_BAD) {
		fiber_offload(FIBER_POOL_SYNC, set_aside, f);
		log_error("%s: uid=%ju: %s; %s", f->path, (uintmax_t)f->st.st_uid, f->why,
		    f->error ? strerror(f->error) : "kept as " DIRECTORY "/" BAD_PREFIX "…");
	} else if (so_far == FATE_LATER || so_far == FATE_SKIP) {
		log_warning("%s: not queued now: %s", f->path, f->why);
	}
}

static enum fate
take_file(const char *name)
{
	struct file f = {.fd = -1, .arena = arena_new(0)};
	enum fate so_far;

	snprintf(f.path, sizeof(f.path), DIRECTORY "/%s", name);
	if (hash_get(scanner.taken, str_c(name))) {
		remove_taken(&f);
		so_far = FATE_GONE;
	} else if (hash_count(scanner.taken) < TAKEN_MAX) {
		so_far = check_and_read(&f);
	} else {
		so_far = because(&f, FATE_LATER, "too many files cannot be removed");
	}
	message_cancel(&f.message);
	clean_up(&f, so_far);
	io_close(&f.fd);
	buf_free(&f.in);
	free(f.rcpts);
	drop_reader_free(&f.reader);
	arena_free(&f.arena);
	return so_far;
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

/* Forgets names that someone else has removed. */
static void
forget_gone(const struct listing *l)
{
	size_t cursor = 0;
	struct str name;
	void *value;

	while (hash_next(scanner.taken, &cursor, &name, &value)) {
		char key[NAME_SIZE] = "";

		memcpy(key, name.data, name.len);
		if (!bsearch(key, l->names, l->n, sizeof(l->names[0]), compare_names))
			hash_del(scanner.taken, name);
	}
}

/* One round over the directory. True when there is more to do now. */
static bool
scan_once(void)
{
	struct listing l = {.names = mem_array(NAMES_MAX, NAME_SIZE)};
	enum fate so_far = FATE_DONE;
	size_t left = 0;

	fiber_offload(FIBER_POOL_READ, list_directory, &l);
	if (l.error)
		log_warning("read %s: %s", DIRECTORY, strerror(l.error));
	if (l.stale)
		log_info("removed %zu unfinished file%s from %s", l.stale, l.stale == 1 ? "" : "s",
		    DIRECTORY);
	if (!l.error && !l.more)
		forget_gone(&l);
	for (size_t i = 0; i < l.n && !scanner.stop && so_far != FATE_LATER; i++) {
		so_far = take_file(l.names[i]);
		left += so_far == FATE_SKIP;
	}
	free(l.names);
	/* Where nothing could be taken the next round would meet the same. */
	return l.more && left < l.n && so_far != FATE_LATER && !scanner.stop;
}

static void
scan(void *arg)
{
	(void)arg;
	while (scan_once())
		continue;
	scanner.running = false;
	fiber_wake_all(&scanner.done);
}

void
maildrop_scan(void)
{
	if (!scanner.initialized) {
		fiber_waitq_init(&scanner.done);
		scanner.taken = hash_new();
		scanner.initialized = true;
	}
	if (scanner.running || scanner.stop)
		return;
	scanner.running = true;
	fiber_spawn("maildrop", scan, NULL);
}

void
maildrop_stop(void)
{
	scanner.stop = true;
	while (scanner.running)
		if (fiber_wait(&scanner.done, FIBER_FOREVER) != FIBER_OK)
			break;
}
