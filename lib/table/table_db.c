/*
 * table_db - hash: and btree: tables as databases of Berkeley DB
 *
 * The files are the administrator's, made by postmap, ours or Postfix's; the keys that are looked up are a stranger's.
 * Berkeley DB takes settings from a file DB_CONFIG: of the directory that the table is in, so never from the one that
 * the program happens to be started in. Postfix's postmap writes in place under a lock, so readers lock too.
 */
#include "lib/table/table_db.h"

#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/table/table_private.h"

struct table_db_file {
	char *path;
	DB_ENV *env;
	DB *db;
	int fd; /* the library's own */
};

static void
failed(const char *path, int error, struct buf *why)
{
	buf_printf(why, "%s: %s", path, db_strerror(error));
}

static void
file_free(struct table_db_file *f)
{
	if (f->db)
		f->db->close(f->db, DB_NOSYNC);
	if (f->env)
		f->env->close(f->env, 0);
	free(f->path);
	free(f);
}

/* A home of its own in memory, with the table's directory for settings. */
static int
open_environment(struct table_db_file *f)
{
	struct buf home = {0};
	size_t slash = str_rchr(str_c(f->path), '/');
	int error = db_env_create(&f->env, 0);

	if (error != 0) {
		f->env = NULL;
		return error;
	}
	f->env->set_errfile(f->env, NULL);
	if (slash == STR_NPOS)
		buf_putc(&home, '.');
	else
		buf_str(&home, str_sub(str_c(f->path), 0, slash == 0 ? 1 : slash));
	error = f->env->open(f->env, buf_cstr(&home), DB_CREATE | DB_INIT_MPOOL | DB_PRIVATE, 0);
	buf_free(&home);
	return error;
}

static struct table_db_file *
open_file(const char *path, bool btree, unsigned flags, struct buf *why)
{
	struct table_db_file *f = MEM_NEW(struct table_db_file);
	size_t slash = str_rchr(str_c(path), '/');
	const char *name = slash == STR_NPOS ? path : path + slash + 1;
	int error;

	f->path = mem_strdup(path);
	error = open_environment(f);
	if (error == 0)
		error = db_create(&f->db, f->env, 0);
	if (error == 0)
		error =
		    f->db->open(f->db, NULL, name, NULL, btree ? DB_BTREE : DB_HASH, flags, 0600);
	if (error == 0)
		error = f->db->fd(f->db, &f->fd);
	if (error == 0)
		return f;
	if (error == EINVAL && !(flags & DB_CREATE))
		buf_printf(
		    why, "%s: not a database of the type %s", path, btree ? "btree" : "hash");
	else
		failed(path, error, why);
	file_free(f);
	return NULL;
}

/* --- Look-ups -------------------------------------------------------------------------------- */

static void *
db_open_path(const char *path, bool btree, struct buf *why)
{
	return open_file(path, btree, DB_RDONLY, why);
}

static void
db_close_file(void *state)
{
	file_free(state);
}

/* While Postfix's postmap writes: a fiber must not wait for it, a thread may. */
static bool
lock(const struct table_db_file *f, int how, struct buf *why)
{
	int result;

	do
		result = flock(f->fd, fiber_running() ? how | LOCK_NB : how);
	while (result < 0 && errno == EINTR);
	if (result < 0)
		buf_printf(why, "%s: being written, or not lockable: %s", f->path, strerror(errno));
	return result == 0;
}

static DBT
entry_of(struct str s)
{
	DBT d;

	memset(&d, 0, sizeof(d));
	d.data = (void *)(uintptr_t)s.data;
	d.size = (u_int32_t)s.len;
	return d;
}

static struct str
text_of(const DBT *d)
{
	struct str s = str_n(d->data, d->size);

	if (s.len > 0 && s.data[s.len - 1] == '\0')
		s.len--;
	return s;
}

/* The key as it is, then with a NUL: there are files of both kinds. */
static int
get(const struct table_db_file *f, struct str key, struct buf *value)
{
	struct buf terminated = {0};
	int error = DB_NOTFOUND;

	buf_reserve(&terminated, key.len + 1);
	buf_str(&terminated, key);
	buf_putc(&terminated, '\0');
	for (int with_nul = 1; with_nul >= 0 && error == DB_NOTFOUND; with_nul--) {
		DBT k = entry_of(str_sub(buf_view(&terminated), 0, key.len + (size_t)with_nul)), v;

		memset(&v, 0, sizeof(v));
		error = f->db->get(f->db, NULL, &k, &v, 0);
		if (error == 0)
			buf_str(value, text_of(&v));
	}
	buf_free(&terminated);
	return error;
}

static enum table_status
db_lookup(void *state, struct str key, struct buf *value, struct buf *why)
{
	struct table_db_file *f = state;
	int error;

	if (!lock(f, LOCK_SH, why))
		return TABLE_ERROR;
	error = get(f, key, value);
	flock(f->fd, LOCK_UN);
	if (error == 0)
		return TABLE_FOUND;
	if (error == DB_NOTFOUND)
		return TABLE_NOT_FOUND;
	failed(f->path, error, why);
	return TABLE_ERROR;
}

static bool
each(const struct table_db_file *f, table_entry_fn fn, void *arg, struct buf *why)
{
	DBC *cursor = NULL;
	int error;

	error = f->db->cursor(f->db, NULL, &cursor, 0);
	while (error == 0) {
		DBT k, v;

		memset(&k, 0, sizeof(k));
		memset(&v, 0, sizeof(v));
		error = cursor->get(cursor, &k, &v, DB_NEXT);
		if (error == 0)
			fn(arg, text_of(&k), text_of(&v));
	}
	if (cursor)
		cursor->close(cursor);
	if (error != DB_NOTFOUND)
		failed(f->path, error, why);
	return error == DB_NOTFOUND;
}

static bool
db_each(void *state, table_entry_fn fn, void *arg, struct buf *why)
{
	struct table_db_file *f = state;
	bool ok;

	if (!lock(f, LOCK_SH, why))
		return false;
	ok = each(f, fn, arg, why);
	flock(f->fd, LOCK_UN);
	return ok;
}

bool
table_db_each(const char *path, bool btree, table_entry_fn fn, void *arg, struct buf *why)
{
	struct table_db_file *f = open_file(path, btree, DB_RDONLY, why);
	bool ok = f != NULL && each(f, fn, arg, why);

	if (f)
		file_free(f);
	return ok;
}

void
table_register_db(void)
{
	static const struct table_db_ops ops = {
	    .open = db_open_path,
	    .lookup = db_lookup,
	    .each = db_each,
	    .close = db_close_file,
	};

	table_db_ops_set(&ops);
	table_pcre_register();
}

/* --- Writing --------------------------------------------------------------------------------- */

struct table_db_file *
table_db_create(const char *path, bool btree, struct buf *why)
{
	return open_file(path, btree, DB_CREATE | DB_EXCL, why);
}

enum table_db_put
table_db_put(struct table_db_file *f, struct str key, struct str value, bool terminate,
    bool replace, struct buf *why)
{
	struct buf k = {0}, v = {0};
	DBT kt, vt;
	int error;

	buf_reserve(&v, value.len + 1);
	buf_str(&k, key);
	buf_str(&v, value);
	if (terminate) {
		buf_putc(&k, '\0');
		buf_putc(&v, '\0');
	}
	kt = entry_of(buf_view(&k));
	vt = entry_of(buf_view(&v));
	error = f->db->put(f->db, NULL, &kt, &vt, replace ? 0 : DB_NOOVERWRITE);
	buf_free(&k);
	buf_wipe(&v);
	if (error == 0)
		return TABLE_DB_PUT;
	if (error == DB_KEYEXIST)
		return TABLE_DB_THERE;
	failed(f->path, error, why);
	return TABLE_DB_FAILED;
}

bool
table_db_close(struct table_db_file **f, struct buf *why)
{
	int error = (*f)->db->sync((*f)->db, 0);
	int fd = -1;

	/* Not the library's descriptor: it may have written by another. */
	if (error == 0) {
		fd = open((*f)->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fsync(fd) < 0)
			error = errno;
		io_close(&fd);
	}
	if (error != 0)
		failed((*f)->path, error, why);
	file_free(*f);
	*f = NULL;
	return error == 0;
}
