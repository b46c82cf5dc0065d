/*
 * postkeep_tables - the tables that parameters name: can they be read, do they make sense, who else can read them?
 *
 * Tables of passwords are looked at more closely: what strangers can read is no secret.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/base/io.h"
#include "lib/conf/params.h"
#include "lib/table/table.h"
#include "lib/table/table_db.h"

/* A parameter, where it is set, and one table of it. */
struct named {
	struct str param;
	const char *file;
	size_t line;
	struct str type;
	char *path;
	struct conf_problems *problems;
};

static bool
is_one_of(struct str s, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(s, str_c(*list)))
			return true;
	return false;
}

/* "hash:/etc/aliases": type and path of a table in a file. False for another item. */
static bool
take_table(struct str item, struct named *t)
{
	static const char *const types[] = {
	    "hash", "btree", "lmdb", "cdb", "dbm", "texthash", "regexp", "pcre", NULL};
	size_t colon;

	if (str_starts(item, STR("proxy:")))
		item = str_from(item, 6);
	colon = str_chr(item, ':');
	t->type = str_sub(item, 0, colon);
	if (colon == STR_NPOS || colon + 1 >= item.len || item.data[colon + 1] != '/' ||
	    !is_one_of(t->type, types))
		return false;
	t->path = str_dup(str_from(item, colon + 1));
	return true;
}

/*
 * A type that there is not: whatever the parameter, if Postfix has it; else where a parameter can have nothing but
 * tables (in other lists a colon may be that of an address).
 */
static void
check_type(struct str item, const struct named *t)
{
	static const char *const others[] = {"cidr", "environ", "fail", "internal", "ldap",
	    "memcache", "mongodb", "mysql", "netinfo", "nis", "nisplus", "pgsql", "pipemap",
	    "randmap", "sdbm", "socketmap", "sqlite", "tcp", "unionmap", NULL};
	bool tables_only =
	    str_ends_nocase(t->param, STR("_maps")) || str_ends_nocase(t->param, STR("_checks"));
	struct str type;

	while (str_starts(item, STR("proxy:")))
		item = str_from(item, 6);
	type = str_sub(item, 0, str_chr(item, ':'));
	if (type.len == item.len || is_one_of(type, table_types()) ||
	    !(tables_only || is_one_of(type, others)))
		return;
	conf_problem(t->problems, CONF_WAITS, t->file, t->line,
	    "%.*s: there are no tables of the type \"%.*s\": mail that needs it would be put off; "
	    "\"postconf -m\" lists the types there are",
	    STR_ARG(t->param), STR_ARG(type));
}

/* hash: and btree: without a text are read from their database. */
static bool
database_is_there(const struct named *t)
{
	static const char *const types[] = {"hash", "btree", NULL};
	struct buf path = {0};
	bool there;

	buf_printf(&path, "%s.db", t->path);
	there = is_one_of(t->type, types) && access(buf_cstr(&path), R_OK) == 0;
	buf_free(&path);
	return there;
}

static bool
check_readable(const struct named *t)
{
	int error;

	if (access(t->path, R_OK) == 0)
		return true;
	error = errno;
	if (!database_is_there(t))
		conf_problem(t->problems, CONF_WAITS, t->file, t->line,
		    "%.*s: cannot read %s (%s): mail that needs it would be put off; make the file "
		    "or remove the table",
		    STR_ARG(t->param), t->path, strerror(error));
	return false;
}

/* A line of patterns that makes no sense makes the whole table unusable. */
static void
check_patterns(const struct named *t)
{
	struct buf spec = {0}, value = {0}, why = {0};
	struct table *table;

	if (!str_eq(t->type, STR("regexp")) && !str_eq(t->type, STR("pcre")))
		return;
	buf_printf(&spec, "%.*s:%s", STR_ARG(t->type), t->path);
	table = table_open(buf_view(&spec), &why);
	if (!table || table_lookup(table, STR("x"), &value, &why) == TABLE_ERROR)
		conf_problem(t->problems, CONF_WAITS, t->file, t->line,
		    "%.*s: %s: mail that needs it would be put off; mend the line",
		    STR_ARG(t->param), buf_cstr(&why));
	table_close(&table);
	buf_free(&spec);
	buf_free(&value);
	buf_free(&why);
}

struct lines {
	const struct named *table;
	size_t bad;
};

static void
look_at_line(void *arg, size_t line, struct str key, struct str value)
{
	struct lines *l = arg;

	if (value.len > 0 || l->bad++ > 0)
		return;
	conf_problem(l->table->problems, CONF_WARNING, l->table->file, l->table->line,
	    "%.*s: %s, line %zu: \"%.*s\" has no value and is left out; write a value, or remove "
	    "the line",
	    STR_ARG(l->table->param), l->table->path, line, STR_ARG(str_sub(key, 0, 100)));
}

static void
check_text(const struct named *t)
{
	static const char *const types[] = {
	    "hash", "btree", "lmdb", "cdb", "dbm", "texthash", NULL};
	struct lines l = {t, 0};
	struct buf text = {0};

	if (!is_one_of(t->type, types))
		return;
	if (io_read_file(t->path, (size_t)64 << 20, &text) == 0)
		table_text_each(buf_view(&text), look_at_line, &l);
	else
		conf_problem(t->problems, CONF_WAITS, t->file, t->line,
		    "%.*s: cannot read %s (%s): mail that needs it would be put off",
		    STR_ARG(t->param), t->path, strerror(errno));
	buf_wipe(&text);
}

static void
check_mode(const struct named *t, const char *suffix)
{
	struct buf path = {0};
	struct stat st;

	buf_printf(&path, "%s%s", t->path, suffix);
	if (stat(buf_cstr(&path), &st) == 0 && (st.st_mode & 077))
		conf_problem(t->problems, CONF_WARNING, t->file, t->line,
		    "%.*s: %s has passwords and can be read by others (mode %04o): chmod 600 %s",
		    STR_ARG(t->param), buf_cstr(&path), (unsigned)(st.st_mode & 07777),
		    buf_cstr(&path));
	buf_free(&path);
}

static void
check_param(const struct conf *c, enum param p, struct named *t)
{
	struct str rest = conf_str(c, p), item;

	t->param = param_name(p);
	while (conf_list_next(&rest, &item)) {
		/* What proxymap may be asked for need not be there. */
		if (p != P_proxy_read_maps)
			check_type(item, t);
		if (!take_table(item, t))
			continue;
		if (p == P_smtp_sasl_password_maps || p == P_lmtp_sasl_password_maps) {
			check_mode(t, "");
			check_mode(t, ".db");
		}
		if (check_readable(t)) {
			check_patterns(t);
			check_text(t);
		}
		free(t->path);
	}
}

void
postkeep_check_tables(
    const struct conf *c, const char *file, size_t line, struct conf_problems *problems)
{
	table_register_db();
	for (enum param p = 0; p < PARAM_COUNT; p++) {
		struct named t = {.problems = problems};

		if (param_infos[p].state != PARAM_STATE_USED ||
		    !conf_is_set(c, p, &t.file, &t.line))
			continue;
		/* Of a service's settings those that are its own. */
		if (file && t.line != 0)
			continue;
		if (file) {
			t.file = file;
			t.line = line;
		}
		check_param(c, p, &t);
	}
}
