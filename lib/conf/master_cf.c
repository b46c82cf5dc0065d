/*
 * master_cf - the services of master.cf
 *
 * Each line is read by itself; one in error is reported and left out, and the others still count.
 */
#include "lib/conf/master_cf.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/conf/lines.h"
#include "lib/conf/master_args.h"

/* The name of a socket file must fit into struct sockaddr_un behind "private/". */
#define SERVICE_NAME_MAX 64
#define COLUMN_COUNT 8

enum column {
	COLUMN_NAME,
	COLUMN_TYPE,
	COLUMN_PRIVATE,
	COLUMN_UNPRIVILEGED,
	COLUMN_CHROOT,
	COLUMN_WAKEUP,
	COLUMN_MAXPROC,
	COLUMN_COMMAND,
};

static const char *const column_names[COLUMN_COUNT] = {
    "service", "type", "private", "unpriv", "chroot", "wakeup", "maxproc", "command"};

static const char *const type_names[] = {"inet", "unix", "unix-dgram", "fifo", "pass"};

struct reader {
	struct master_cf *m;
	struct conf_problems *problems;
	const char *file;
	struct hash *seen; /* "name/type" -> entry */
	struct buf why;
};

const char *
master_type_name(enum master_type type)
{
	return type_names[type];
}

static void
free_entry(struct master_entry *e)
{
	free(e->name);
	free(e->command);
	for (size_t i = 0; i < e->n_args; i++)
		free(e->args[i]);
	free(e->args);
	for (size_t i = 0; i < e->n_overrides; i++) {
		free((char *)e->overrides[i].name.data);
		free((char *)e->overrides[i].value.data);
	}
	free(e->overrides);
}

void
master_cf_free(struct master_cf **m)
{
	if (!*m)
		return;
	for (size_t i = 0; i < (*m)->count; i++)
		free_entry(&(*m)->entries[i]);
	free((*m)->entries);
	free(*m);
	*m = NULL;
}

static bool
refuse(struct reader *r, enum column column, struct str text, const char *what)
{
	buf_printf(
	    &r->why, "%s \"%.*s\": %s", column_names[column], STR_ARG(str_sub(text, 0, 100)), what);
	return false;
}

static bool
read_type(struct reader *r, struct str text, enum master_type *type)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (str_eq(text, str_c(type_names[i]))) {
			*type = (enum master_type)i;
			return true;
		}
	return refuse(r, COLUMN_TYPE, text, "must be inet, unix, unix-dgram, fifo or pass");
}

static bool
read_flag(struct reader *r, enum column column, struct str text, enum master_flag *flag)
{
	if (str_eq(text, STR("-")))
		*flag = MASTER_FLAG_DEFAULT;
	else if (str_eq(text, STR("y")))
		*flag = MASTER_FLAG_YES;
	else if (str_eq(text, STR("n")))
		*flag = MASTER_FLAG_NO;
	else
		return refuse(r, column, text, "must be y, n or -");
	return true;
}

static bool
read_wakeup(struct reader *r, struct str text, struct master_entry *e)
{
	uint64_t n;

	if (str_eq(text, STR("-")))
		return true;
	if (text.len > 1 && text.data[text.len - 1] == '?') {
		e->wakeup_if_used = true;
		text = str_sub(text, 0, text.len - 1);
	}
	if (!str_to_u64(text, INT_MAX, &n))
		return refuse(r, COLUMN_WAKEUP, text,
		    "must be a number of seconds, perhaps with \"?\", or -");
	e->wakeup = (int)n;
	return true;
}

static bool
read_maxproc(struct reader *r, struct str text, struct master_entry *e)
{
	uint64_t n;

	e->maxproc = -1;
	if (str_eq(text, STR("-")))
		return true;
	if (!str_to_u64(text, INT_MAX, &n))
		return refuse(r, COLUMN_MAXPROC, text, "must be a number, 0 for no limit, or -");
	e->maxproc = (int)n;
	return true;
}

/* "port", "host:port", "[v6]:port": is the last part a port? A service's name is looked up by master. */
static bool
read_inet_name(struct reader *r, struct str name)
{
	size_t colon = str_rchr(name, ':');
	struct str port = colon == STR_NPOS ? name : str_from(name, colon + 1);
	struct str host = colon == STR_NPOS ? STR_EMPTY : str_sub(name, 0, colon);
	bool bracketed = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
	uint64_t n;

	if (port.len == 0 || str_chr(port, ']') != STR_NPOS || (colon != STR_NPOS && host.len == 0))
		return refuse(r, COLUMN_NAME, name, "must be port, host:port or [address]:port");
	if (str_chr(host, ':') != STR_NPOS && !bracketed)
		return refuse(
		    r, COLUMN_NAME, name, "an IPv6 address stands in brackets: [address]:port");
	if (port.data[0] >= '0' && port.data[0] <= '9' && (!str_to_u64(port, 65535, &n) || n == 0))
		return refuse(r, COLUMN_NAME, name, "the port must be from 1 to 65535");
	return true;
}

static bool
read_name(struct reader *r, struct str name, enum master_type type)
{
	if (type == MASTER_INET)
		return read_inet_name(r, name);
	if (name.len > SERVICE_NAME_MAX)
		return refuse(r, COLUMN_NAME, name, "longer than 64 letters");
	if (str_chr(name, '/') != STR_NPOS || name.data[0] == '.')
		return refuse(r, COLUMN_NAME, name, "must not hold \"/\" or begin with \".\"");
	return true;
}

static bool
read_command(struct reader *r, struct str text, struct master_entry *e)
{
	if (str_chr(text, '/') != STR_NPOS || text.data[0] == '.')
		return refuse(
		    r, COLUMN_COMMAND, text, "must be the name of a program in daemon_directory");
	e->command = str_dup(text);
	return true;
}

/* Cuts the first COLUMN_COUNT words off *REST. */
static bool
read_columns(struct reader *r, struct str *rest, struct str *columns)
{
	for (int i = 0; i < COLUMN_COUNT; i++)
		if (!str_token(rest, " \t", &columns[i])) {
			buf_printf(&r->why, "only %d of the 8 columns are there; \"%s\" is missing",
			    i, column_names[i]);
			return false;
		}
	return true;
}

static bool
read_entry(struct reader *r, struct str line, struct master_entry *e)
{
	struct str columns[COLUMN_COUNT], rest = line;

	if (memchr(line.data, '\0', line.len)) {
		buf_puts(&r->why, "a NUL byte in the line");
		return false;
	}
	if (line.data[0] == ' ' || line.data[0] == '\t') {
		buf_puts(&r->why, "the first line of the file must not begin with white space");
		return false;
	}
	if (!read_columns(r, &rest, columns) || !read_type(r, columns[COLUMN_TYPE], &e->type) ||
	    !read_name(r, columns[COLUMN_NAME], e->type))
		return false;
	e->name = str_dup(columns[COLUMN_NAME]);
	if (!read_flag(r, COLUMN_PRIVATE, columns[COLUMN_PRIVATE], &e->private_service) ||
	    !read_flag(r, COLUMN_UNPRIVILEGED, columns[COLUMN_UNPRIVILEGED], &e->unprivileged) ||
	    !read_flag(r, COLUMN_CHROOT, columns[COLUMN_CHROOT], &e->chroot) ||
	    !read_wakeup(r, columns[COLUMN_WAKEUP], e) ||
	    !read_maxproc(r, columns[COLUMN_MAXPROC], e) ||
	    !read_command(r, columns[COLUMN_COMMAND], e))
		return false;
	if (e->type == MASTER_INET && e->private_service == MASTER_FLAG_YES)
		return refuse(r, COLUMN_PRIVATE, columns[COLUMN_PRIVATE],
		    "an inet service cannot be private: write n");
	return master_args_read(e, rest, &r->why);
}

/* Is there an entry of that name and type already? Its line, else 0. */
static size_t
line_of_twin(struct reader *r, const struct master_entry *e)
{
	struct buf key = {0};
	void *twin;
	size_t line;

	buf_printf(&key, "%s/%s", e->name, type_names[e->type]);
	/* The line number is the value: entries move in memory while the list grows. */
	twin = hash_get(r->seen, buf_view(&key));
	line = (size_t)(uintptr_t)twin;
	if (!twin)
		(void)hash_put(r->seen, buf_view(&key), (void *)(uintptr_t)e->line);
	buf_free(&key);
	return line;
}

static void
read_line(struct reader *r, struct str line, size_t number)
{
	struct master_entry e = {.line = number};
	size_t twin;

	buf_reset(&r->why);
	if (!read_entry(r, line, &e)) {
		conf_problem(
		    r->problems, CONF_ERROR, r->file, number, "%.*s", STR_ARG(buf_view(&r->why)));
		free_entry(&e);
		return;
	}
	twin = line_of_twin(r, &e);
	if (twin) {
		conf_problem(r->problems, CONF_ERROR, r->file, number,
		    "service \"%s\" of type %s stands in line %zu already", e.name,
		    type_names[e.type], twin);
		free_entry(&e);
		return;
	}
	/* Room is doubled, so that a long file costs no more than its length. */
	if ((r->m->count & (r->m->count - 1)) == 0)
		r->m->entries = mem_resize(
		    r->m->entries, (r->m->count ? r->m->count * 2 : 1) * sizeof(*r->m->entries));
	r->m->entries[r->m->count++] = e;
}

struct master_cf *
master_cf_read(struct str text, const char *file, struct conf_problems *problems)
{
	struct reader r = {.m = MEM_NEW(struct master_cf), .problems = problems, .file = file};
	struct conf_lines lines = {.rest = text};
	struct buf line = {0};

	r.seen = hash_new();
	while (conf_lines_next(&lines, &line))
		read_line(&r, buf_view(&line), lines.first);
	buf_free(&line);
	buf_free(&r.why);
	hash_free(&r.seen, NULL);
	return r.m;
}

struct master_cf *
master_cf_load(const char *dir, struct conf_problems *problems)
{
	struct buf path = {0}, text = {0};
	struct master_cf *m;

	buf_printf(&path, "%s/master.cf", dir);
	if (io_read_file(buf_cstr(&path), CONF_FILE_MAX, &text) != 0) {
		conf_problem(problems, CONF_ERROR, path.data, 0, "%s%s",
		    errno == EFBIG ? "longer than 4 MiB" : "cannot be read: ",
		    errno == EFBIG ? "" : strerror(errno));
		buf_reset(&text);
	}
	m = master_cf_read(buf_view(&text), path.data, problems);
	buf_free(&path);
	buf_free(&text);
	return m;
}
