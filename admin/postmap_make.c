/*
 * postmap_make - a database from a text, for postmap
 *
 * Root may be asked to make a database in a directory of somebody else: it does so as the owner of the text. The new
 * database is made under another name and then put in the place of the old one, so that who looks up sees the one or
 * the other, whole.
 */
#include "config.h"

#include "admin/postmap_make.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/tool.h"
#include "lib/base/hash.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/table/table.h"
#include "lib/table/table_db.h"

#define TEXT_MAX ((size_t)1 << 30)
#define MODE_DEFAULT 0644
#define LOCK_TRIES 100

/* --- As whom ---------------------------------------------------------------------------------- */

static bool
become_owner(const struct stat *st, const struct make_options *o)
{
	if (geteuid() != 0 || st->st_uid == 0 || o->as_root)
		return true;
	if (setgroups(1, &st->st_gid) < 0 || setegid(st->st_gid) < 0 || seteuid(st->st_uid) < 0) {
		tool_say(LOG_LEVEL_ERROR, "cannot become user %ld: %s", (long)st->st_uid,
		    strerror(errno));
		return false;
	}
	return true;
}

static void
become_self(uid_t uid, gid_t gid)
{
	if (geteuid() != uid && (seteuid(uid) < 0 || setegid(gid) < 0))
		tool_fail(71, "cannot become user %ld again: %s", (long)uid, strerror(errno));
}

/* --- One database in the making ----------------------------------------------------------------- */

struct making {
	const char *path; /* of the text */
	char *final, *temporary;
	const struct make_options *options;
	struct table_db_file *file;
	bool failed;
	struct buf folded;
	const struct str *without;
	size_t n_without;
	bool found;
};

static void
say_failure(struct making *m, struct buf *why)
{
	if (!m->failed)
		tool_say(LOG_LEVEL_ERROR, "%s", buf_cstr(why));
	m->failed = true;
}

static void
put(struct making *m, size_t line, struct str key, struct str value, bool replace)
{
	const struct make_options *o = m->options;
	struct buf why = {0};

	switch (table_db_put(m->file, key, value, !o->no_nul, replace, &why)) {
	case TABLE_DB_PUT:
		break;
	case TABLE_DB_THERE:
		if (!o->silent)
			tool_say(LOG_LEVEL_WARNING,
			    "%s, line %zu: duplicate entry: \"%.*s\"; the first one counts",
			    m->path, line, STR_ARG(key));
		break;
	case TABLE_DB_FAILED:
		say_failure(m, &why);
		break;
	}
	buf_free(&why);
}

static struct str
folded(struct making *m, struct str key)
{
	if (m->options->keep_case)
		return key;
	buf_reset(&m->folded);
	table_fold(key, &m->folded);
	return buf_view(&m->folded);
}

static void
put_line(void *arg, size_t line, struct str key, struct str value)
{
	struct making *m = arg;

	if (m->failed)
		return;
	if (value.len == 0) {
		tool_say(LOG_LEVEL_WARNING,
		    "%s, line %zu: expected format: key whitespace value; the line is left out",
		    m->path, line);
		return;
	}
	put(m, line, folded(m, key), value, m->options->replace);
}

static void
put_old(void *arg, struct str key, struct str value)
{
	struct making *m = arg;

	for (size_t i = 0; i < m->n_without; i++)
		if (str_eq(folded(m, m->without[i]), key)) {
			m->found = true;
			return;
		}
	if (!m->failed)
		put(m, 0, key, value, true);
}

static bool
begin(struct making *m, const char *path, bool btree, const struct make_options *o)
{
	struct buf name = {0}, why = {0};

	m->path = path;
	m->options = o;
	buf_printf(&name, "%s.db", path);
	m->final = buf_take(&name);
	buf_printf(&name, "%s.tmp.%ld", m->final, (long)getpid());
	m->temporary = buf_take(&name);
	unlink(m->temporary);
	m->file = table_db_create(m->temporary, btree, &why);
	if (!m->file)
		say_failure(m, &why);
	buf_free(&why);
	return m->file != NULL;
}

/* By its descriptor: root may have been asked (-o) to work in a directory of somebody else. */
static bool
set_rights(const struct making *m, const struct stat *like, mode_t mode)
{
	bool chown_needed = like && geteuid() == 0 && (like->st_uid != 0 || like->st_gid != 0);
	int fd = open(m->temporary, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool ok = fd >= 0 && fstat(fd, &st) == 0;

	if (ok && (!S_ISREG(st.st_mode) || st.st_nlink != 1)) {
		errno = EPERM;
		ok = false;
	}
	ok = ok && (!chown_needed || fchown(fd, like->st_uid, like->st_gid) == 0) &&
	    fchmod(fd, mode) == 0;
	if (fd >= 0) {
		int saved = errno;

		io_close(&fd);
		errno = saved;
	}
	return ok;
}

/* Mode and owner first, then the name. */
static bool
put_in_place(const struct making *m, const struct stat *like)
{
	mode_t mode = MODE_DEFAULT;
	char *slash;
	char *directory;
	bool ok;

	if (like && !m->options->default_mode)
		mode = like->st_mode & 0777;
	if (!set_rights(m, like, mode) || rename(m->temporary, m->final) < 0) {
		tool_say(LOG_LEVEL_ERROR, "%s: %s", m->final, strerror(errno));
		return false;
	}
	directory = mem_strdup(m->final);
	slash = strrchr(directory, '/');
	if (slash)
		slash[slash == directory] = '\0';
	ok = io_sync_dir(slash ? directory : ".") == 0;
	if (!ok)
		tool_say(LOG_LEVEL_ERROR, "%s: %s", directory, strerror(errno));
	free(directory);
	return ok;
}

static bool
finish(struct making *m, const struct stat *like)
{
	struct buf why = {0};
	bool ok;

	if (m->file && !table_db_close(&m->file, &why))
		say_failure(m, &why);
	ok = !m->failed && put_in_place(m, like);
	if (!ok && m->temporary)
		unlink(m->temporary);
	buf_free(&m->folded);
	buf_free(&why);
	free(m->final);
	free(m->temporary);
	return ok;
}

/* --- From a text --------------------------------------------------------------------------------- */

/* What was looked at is what is read: its owner may put another file in its place at any moment. */
static bool
read_text(const char *path, struct stat *st, struct buf *text)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool ok = false;

	if (fd < 0 || fstat(fd, st) < 0)
		tool_say(LOG_LEVEL_ERROR, "open %s: %s", path, strerror(errno));
	else if (!S_ISREG(st->st_mode))
		tool_say(LOG_LEVEL_ERROR, "%s: not a regular file", path);
	else if (io_read_rest(fd, TEXT_MAX, text) < 0)
		tool_say(LOG_LEVEL_ERROR, "read %s: %s", path, strerror(errno));
	else
		ok = true;
	io_close(&fd);
	return ok;
}

bool
make_database(const char *path, bool btree, const struct make_options *o)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct making m = {0};
	struct buf text = {0};
	struct stat st;
	bool ok = false;

	if (read_text(path, &st, &text) && become_owner(&st, o)) {
		if (begin(&m, path, btree, o))
			table_text_each(buf_view(&text), put_line, &m);
		ok = finish(&m, &st);
	}
	become_self(uid, gid);
	buf_wipe(&text);
	return ok;
}

/* --- From a database ----------------------------------------------------------------------------- */

/* Locks the database PATH.db, so that two changes do not undo each other. -1: there is none, or it was said. */
static int
lock_database(const char *path, bool *ok)
{
	struct buf name = {0};
	struct stat st, now;
	int fd = -1;

	*ok = true;
	buf_printf(&name, "%s.db", path);
	for (int i = 0; i < LOCK_TRIES; i++) {
		io_close(&fd);
		fd = open(buf_cstr(&name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || flock(fd, LOCK_EX) < 0)
			break;
		if (fstat(fd, &st) == 0 && stat(buf_cstr(&name), &now) == 0 &&
		    st.st_ino == now.st_ino && st.st_dev == now.st_dev)
			break;
	}
	if (fd < 0 && errno != ENOENT) {
		tool_say(LOG_LEVEL_ERROR, "%s: %s", buf_cstr(&name), strerror(errno));
		*ok = false;
	}
	buf_free(&name);
	return fd;
}

static void
tell_text(const char *path)
{
	if (access(path, F_OK) == 0)
		tool_say(LOG_LEVEL_WARNING,
		    "there is a text %s, which is what is looked up in: change it instead", path);
}

/* What is in PATH.db already goes into the new one. */
static bool
copy_old(struct making *m, bool btree)
{
	struct buf why = {0};
	bool ok = table_db_each(m->final, btree, put_old, m, &why);

	if (!ok)
		say_failure(m, &why);
	buf_free(&why);
	return ok;
}

static bool
change(
    const char *path, bool btree, struct making *m, struct str text, const struct make_options *o)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct stat st;
	bool locked, ok = false;
	int old = lock_database(path, &locked);

	if (!locked)
		return false;
	if (old >= 0 && fstat(old, &st) < 0)
		tool_fail(71, "%s.db: %s", path, strerror(errno));
	if (old < 0 && m->n_without > 0) {
		tool_say(LOG_LEVEL_ERROR, "open %s.db: %s", path, strerror(ENOENT));
		return false;
	}
	tell_text(path);
	if (old < 0 || become_owner(&st, o)) {
		if (begin(m, path, btree, o) && (old < 0 || copy_old(m, btree)))
			table_text_each(text, put_line, m);
		ok = finish(m, old >= 0 ? &st : NULL);
	}
	become_self(uid, gid);
	io_close(&old);
	return ok;
}

bool
make_added(const char *path, bool btree, struct str text, const struct make_options *o)
{
	struct making m = {0};

	return change(path, btree, &m, text, o);
}

bool
make_without(const char *path, bool btree, const struct str *keys, size_t n, bool *found,
    const struct make_options *o)
{
	struct making m = {.without = keys, .n_without = n};
	bool ok = change(path, btree, &m, STR_EMPTY, o);

	*found = m.found;
	return ok;
}

/* --- A look ---------------------------------------------------------------------------------------- */

struct look {
	const char *path;
	const struct make_options *options;
	struct hash *seen;
	struct buf folded;
};

static void
look_at(void *arg, size_t line, struct str key, struct str value)
{
	struct look *l = arg;

	buf_reset(&l->folded);
	table_fold(key, &l->folded);
	if (value.len == 0)
		tool_say(LOG_LEVEL_WARNING,
		    "%s, line %zu: expected format: key whitespace value; the line is left out",
		    l->path, line);
	else if (hash_put(l->seen, buf_view(&l->folded), l) && !l->options->silent)
		tool_say(LOG_LEVEL_WARNING,
		    "%s, line %zu: duplicate entry: \"%.*s\"; the first one counts", l->path, line,
		    STR_ARG(key));
}

bool
make_check(const char *path, const struct make_options *o)
{
	struct look l = {.path = path, .options = o, .seen = hash_new()};
	struct buf text = {0};
	struct stat st;
	bool ok = read_text(path, &st, &text);

	if (ok)
		table_text_each(buf_view(&text), look_at, &l);
	hash_free(&l.seen, NULL);
	buf_free(&l.folded);
	buf_wipe(&text);
	return ok;
}
