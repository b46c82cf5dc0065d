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

/* "hash:", "inline:{a}": what is behind the type makes no sense. */
static void
check_spec(struct str item, const struct named *t)
{
	struct buf why = {0};
	struct table *table = str_starts(item, STR("inline:")) || item.data[item.len - 1] == ':'
	    ? table_open(item, &why)
	    : NULL;

	if (why.len > 0)
		conf_problem(t->problems, CONF_WAITS, t->file, t->line,
		    "%.*s: %s: mail that needs it would be put off", STR_ARG(t->param),
		    buf_cstr(&why));
	table_close(&table);
	buf_free(&why);
}

/* The list "/file": is it there? */
static void
check_list_file(struct str item, const struct named *t)
{
	char *path;

	while (item.len > 0 && item.data[0] == '!')
		item = str_from(item, 1);
	if (item.len == 0 || item.data[0] != '/')
		return;
	path = str_dup(item);
	if (access(path, R_OK) != 0)
		conf_problem(t->problems, CONF_WAITS, t->file, t->line,
		    "%.*s: cannot read the list %s (%s): mail that needs it would be put off",
		    STR_ARG(t->param), path, strerror(errno));
	free(path);
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
	if (tables_only && type.len == item.len)
		conf_problem(t->problems, CONF_WAITS, t->file, t->line,
		    "%.*s: \"%.*s\" is no table: mail that needs it would be put off; write it as "
		    "type:name, for example texthash:%.*s",
		    STR_ARG(t->param), STR_ARG(item), STR_ARG(item));
	if (is_one_of(type, table_types())) {
		check_spec(item, t);
		return;
	}
	if (type.len == item.len || !(tables_only || is_one_of(type, others)))
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
	const char *delimiter; /* between user and password, in tables of those; else NULL */
	size_t bad;
};

/* Is there a name before the delimiter, and a password behind it? */
static bool
is_login(struct str value, struct str delimiter)
{
	size_t at = delimiter.len > 0 ? str_find(value, delimiter) : STR_NPOS;

	return at != STR_NPOS && at > 0 && at + delimiter.len < value.len;
}

static void
look_at_line(void *arg, size_t line, struct str key, struct str value)
{
	struct lines *l = arg;
	bool login = !l->delimiter || is_login(value, str_c(l->delimiter));

	if ((value.len > 0 && login) || l->bad++ > 0)
		return;
	if (value.len > 0) {
		conf_problem(l->table->problems, CONF_WAITS, l->table->file, l->table->line,
		    "%.*s: %s, line %zu: the entry for %.*s is not \"user%spassword\": mail that "
		    "needs it would be put off",
		    STR_ARG(l->table->param), l->table->path, line, STR_ARG(str_sub(key, 0, 100)),
		    l->delimiter);
		return;
	}
	conf_problem(l->table->problems, CONF_WAITS, l->table->file, l->table->line,
	    "%.*s: %s, line %zu: \"%.*s\" has no value: mail that needs it would be put off; write "
	    "a value, or remove the line",
	    STR_ARG(l->table->param), l->table->path, line, STR_ARG(str_sub(key, 0, 100)));
}

static void
check_text(const struct named *t, const char *delimiter)
{
	static const char *const types[] = {
	    "hash", "btree", "lmdb", "cdb", "dbm", "texthash", NULL};
	struct lines l = {t, delimiter, 0};
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

/* Lists in which "/file" is a list in a file. */
static bool
is_match_list(enum param p)
{
	return p == P_mynetworks || p == P_mydestination || p == P_relay_domains ||
	    p == P_virtual_alias_domains || p == P_virtual_mailbox_domains ||
	    p == P_fast_flush_domains;
}

static void
check_param(const struct conf *c, enum param p, struct named *t)
{
	struct str rest = conf_str(c, p), item;
	const char *delimiter = NULL;

	/* What proxymap may be asked for need not be there; what is asked for is named elsewhere, too. */
	if (p == P_proxy_read_maps)
		return;
	t->param = param_name(p);
	if (p == P_smtp_sasl_password_maps)
		delimiter = conf_cstr(c, P_smtp_sasl_password_result_delimiter);
	else if (p == P_lmtp_sasl_password_maps)
		delimiter = conf_cstr(c, P_lmtp_sasl_password_result_delimiter);
	while (conf_list_next(&rest, &item)) {
		check_type(item, t);
		if (is_match_list(p))
			check_list_file(item, t);
		if (!take_table(item, t))
			continue;
		if (delimiter) {
			check_mode(t, "");
			check_mode(t, ".db");
		}
		if (check_readable(t)) {
			check_patterns(t);
			check_text(t, delimiter);
		}
		free(t->path);
	}
}

/* Logins without anybody to log in as. */
static void
check_logins(const struct conf *c, const char *file, size_t line, struct conf_problems *problems)
{
	static const struct {
		enum param enable, maps;
	} clients[] = {{P_smtp_sasl_auth_enable, P_smtp_sasl_password_maps},
	    {P_lmtp_sasl_auth_enable, P_lmtp_sasl_password_maps}};

	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		const char *where = NULL;
		size_t at = 0;

		if (!conf_is_set(c, clients[i].enable, &where, &at) ||
		    !conf_bool(c, clients[i].enable) || conf_str(c, clients[i].maps).len > 0 ||
		    (file && at != 0))
			continue;
		conf_problem(problems, CONF_WARNING, file ? file : where, file ? line : at,
		    "%.*s = yes, and %.*s is empty: nobody logs in anywhere",
		    STR_ARG(param_name(clients[i].enable)), STR_ARG(param_name(clients[i].maps)));
	}
}

void
postkeep_check_tables(
    const struct conf *c, const char *file, size_t line, struct conf_problems *problems)
{
	table_register_db();
	check_logins(c, file, line, problems);
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
