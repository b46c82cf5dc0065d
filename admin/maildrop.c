/*
 * maildrop - a look at maildrop/ without touching it; see maildrop.h
 *
 * The files are strangers': nothing that is no regular file is opened, and what cannot be parsed is
 * passed over (pickup will say so).
 */
#include "config.h"

#include "admin/maildrop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/queue/drop.h"

#define DIRECTORY "maildrop"
#define BAD_PREFIX "bad." /* what pickup has set aside */
#define STALE_SECONDS 86400
#define READ_SIZE 65536

typedef void show_fn(const struct msg_showq_entry *entry, void *arg);

struct waiting {
	struct drop_reader *reader;
	struct arena *arena;
	struct msg_showq_rcpt *rcpts;
	size_t n, cap;
};

static void
add_rcpt(struct waiting *w, struct str address)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->rcpts = mem_resize(w->rcpts, w->cap * sizeof(*w->rcpts));
	}
	w->rcpts[w->n++] = (struct msg_showq_rcpt){.address = arena_str(w->arena, address)};
}

/* Reads all of the file; true when it is a whole message. */
static bool
read_file(struct waiting *w, int fd)
{
	struct buf in = {0};
	enum drop_event event = DROP_NEED;
	ssize_t n;

	while (event == DROP_NEED &&
	    (n = io_read_full(fd, buf_reserve(&in, READ_SIZE), READ_SIZE)) > 0) {
		struct str view, text;

		in.len += (size_t)n;
		view = buf_view(&in);
		do {
			event = drop_next(w->reader, &view, &text);
			if (event == DROP_RCPT)
				add_rcpt(w, text);
		} while (event != DROP_NEED && event != DROP_BAD && event != DROP_END);
		buf_consume(&in, in.len - view.len);
	}
	buf_free(&in);
	return event == DROP_END;
}

static void
show_waiting(
    const struct waiting *w, const char *name, const struct stat *st, show_fn *show, void *arg)
{
	struct msg_showq_entry entry = {
	    .id = str_c(name),
	    .state = STR("maildrop"),
	    .arrival = st->st_mtime,
	    .size = drop_size(w->reader),
	    .sender = drop_envelope(w->reader)->sender,
	    .rcpts = {w->rcpts, w->n},
	};

	show(&entry, arg);
}

static void
show_file(int dir, const char *name, show_fn *show, void *arg)
{
	struct waiting w = {.reader = drop_reader_of_file(0), .arena = arena_new(0)};
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read_file(&w, fd))
		show_waiting(&w, name, &st, show, arg);
	io_close(&fd);
	free(w.rcpts);
	arena_free(&w.arena);
	drop_reader_free(&w.reader);
}

/* Is NAME a regular file, and complete? */
static bool
is_file(int dir, const char *name, bool complete, struct stat *st)
{
	return name[0] != '.' && strncmp(name, BAD_PREFIX, strlen(BAD_PREFIX)) != 0 &&
	    strlen(name) <= MSG_ID_MAX && fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st->st_mode) && complete == ((st->st_mode & S_IXUSR) != 0);
}

void
maildrop_list(show_fn *show, void *arg)
{
	struct dirent **entries;
	int n = scandir(DIRECTORY, &entries, NULL, alphasort);
	int dir = n < 0 ? -1 : open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < n; i++) {
		struct stat st;

		if (dir >= 0 && is_file(dir, entries[i]->d_name, true, &st))
			show_file(dir, entries[i]->d_name, show, arg);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	io_close(&dir);
}

size_t
maildrop_purge(void)
{
	DIR *dir = opendir(DIRECTORY);
	const struct dirent *e;
	time_t now = clock_wall();
	size_t n = 0;

	while (dir && (e = readdir(dir)) != NULL) {
		struct stat st;

		if (is_file(dirfd(dir), e->d_name, false, &st) &&
		    now - st.st_mtime > STALE_SECONDS && unlinkat(dirfd(dir), e->d_name, 0) == 0)
			n++;
	}
	if (dir)
		closedir(dir);
	return n;
}
