/*
 * postmap - makes databases for look-ups, asks tables, and checks their text
 *
 * Runs as whoever calls it, with that user's rights; for a text of another user root becomes that user.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/postmap_make.h"
#include "admin/tool.h"
#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/table/table.h"
#include "lib/table/table_db.h"

#define INPUT_MAX ((size_t)1 << 30)

struct options {
	const char *config_dir, *query, *remove;
	bool incremental, list;
	struct make_options make;
};

static void
usage(void)
{
	tool_usage(
	    "postmap [-finNoprsuUvw] [-c config_dir] [-d key] [-q key] [file_type:]file_name...");
}

static void
parse(int argc, char **argv, struct options *o)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "+c:d:finNopq:rsuUvw")) != -1) {
		switch (c) {
		case 'c':
			o->config_dir = optarg;
			break;
		case 'd':
			o->remove = optarg;
			break;
		case 'f':
			o->make.keep_case = true;
			break;
		case 'i':
			o->incremental = true;
			break;
		case 'n':
		case 'N':
			o->make.no_nul = c == 'n';
			break;
		case 'o':
			o->make.as_root = true;
			break;
		case 'p':
			o->make.default_mode = true;
			break;
		case 'q':
			o->query = optarg;
			break;
		case 'r':
			o->make.replace = true;
			break;
		case 's':
			o->list = true;
			break;
		case 'w':
			o->make.silent = true;
			break;
		case 'u':
		case 'U':
		case 'v':
			break;
		default:
			fprintf(stderr,
			    "postmap: option -%c does not exist, or lacks its argument\n", optopt);
			usage();
		}
	}
	if (!argv[optind] ||
	    (o->query != NULL) + (o->remove != NULL) + o->incremental + o->list > 1)
		usage();
}

/* --- Specifications ------------------------------------------------------------------------------ */

/* "type:name", with the type of default_database_type when there is none. The caller frees it. */
static char *
full_spec(const char *given)
{
	struct buf spec = {0};

	if (!strchr(given, ':'))
		buf_printf(&spec, "%s:", conf_cstr(conf_get(), P_default_database_type));
	buf_puts(&spec, given);
	return buf_take(&spec);
}

/* The name in SPEC when its type is TYPE, else NULL. */
static const char *
name_of(const char *spec, const char *type)
{
	size_t length = strlen(type);

	return strncmp(spec, type, length) == 0 && spec[length] == ':' ? spec + length + 1 : NULL;
}

static const char *
database_name(const char *spec, bool *btree)
{
	const char *name = name_of(spec, "hash");

	*btree = name == NULL;
	return name ? name : name_of(spec, "btree");
}

static struct table *
open_table(const char *given)
{
	char *spec = full_spec(given);
	struct buf why = {0};
	struct table *t;

	/* The sockets of proxymap are named from there. */
	if (name_of(spec, "proxy") && chdir(conf_cstr(conf_get(), P_queue_directory)) < 0)
		tool_fail(EX_UNAVAILABLE, "%s: cannot be entered",
		    conf_cstr(conf_get(), P_queue_directory));
	t = table_open(str_c(spec), &why);
	if (!t)
		tool_fail(EX_USAGE, "%s", buf_cstr(&why));
	buf_free(&why);
	free(spec);
	return t;
}

/* --- -q, -s --------------------------------------------------------------------------------------- */

static void
print_text(struct str s)
{
	fwrite(s.data, 1, s.len, stdout);
}

/* KEY in the tables, in their order. */
static bool
query_one(struct table **tables, struct str key, struct buf *value)
{
	for (; *tables; tables++) {
		struct buf why = {0};

		switch (table_lookup(*tables, key, value, &why)) {
		case TABLE_FOUND:
			return true;
		case TABLE_NOT_FOUND:
			break;
		case TABLE_ERROR:
			tool_fail(EXIT_FAILURE, "%s", buf_cstr(&why));
		}
		buf_free(&why);
	}
	return false;
}

static bool
query_input(struct table **tables)
{
	char *line = NULL;
	size_t room = 0;
	bool any = false;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		struct str key = str_n(line, line[n - 1] == '\n' ? (size_t)n - 1 : (size_t)n);
		struct buf value = {0};

		if (query_one(tables, key, &value)) {
			any = true;
			print_text(key);
			putchar('\t');
			print_text(buf_view(&value));
			putchar('\n');
		}
		buf_wipe(&value);
	}
	free(line);
	return any;
}

static int
query(const struct options *o, char **specs, size_t n)
{
	struct table **tables = mem_array(n + 1, sizeof(*tables));
	struct buf value = {0};
	bool found;

	for (size_t i = 0; i < n; i++)
		tables[i] = open_table(specs[i]);
	if (strcmp(o->query, "-") == 0) {
		found = query_input(tables);
	} else {
		found = query_one(tables, str_c(o->query), &value);
		if (found) {
			print_text(buf_view(&value));
			putchar('\n');
		}
	}
	for (size_t i = 0; i < n; i++)
		table_close(&tables[i]);
	free(tables);
	buf_wipe(&value);
	return found ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void
print_entry(void *arg, struct str key, struct str value)
{
	*(bool *)arg = true;
	print_text(key);
	putchar('\t');
	print_text(value);
	putchar('\n');
}

static int
list(char **specs, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		struct table *t = open_table(specs[i]);
		struct buf why = {0};

		if (!table_list(t, print_entry, &any, &why))
			tool_fail(EXIT_FAILURE, "%s", buf_cstr(&why));
		table_close(&t);
	}
	return any ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- Making --------------------------------------------------------------------------------------- */

static void
read_input(struct buf *text)
{
	while (!feof(stdin) && !ferror(stdin) && text->len < INPUT_MAX)
		text->len += fread(buf_reserve(text, 65536), 1, 65536, stdin);
	if (!feof(stdin))
		tool_fail(EX_NOINPUT, "standard input cannot be read to its end");
}

static bool
remove_keys(const char *name, bool btree, const struct options *o, struct str text, bool *found)
{
	struct str *keys = NULL, line;
	size_t n = 0;
	bool ok;

	if (strcmp(o->remove, "-") != 0) {
		struct str key = str_c(o->remove);

		return make_without(name, btree, &key, 1, found, &o->make);
	}
	while (str_token(&text, "\n", &line)) {
		keys = mem_resize(keys, (n + 1) * sizeof(*keys));
		keys[n++] = line;
	}
	ok = n == 0 || make_without(name, btree, keys, n, found, &o->make);
	free(keys);
	return ok;
}

/* A table that is no database: is there something wrong in it? */
static bool
check(const char *spec, const struct options *o)
{
	static const char *const texts[] = {"texthash", "lmdb", "cdb", "dbm", NULL};
	struct buf value = {0}, why = {0};
	struct table *t;
	bool ok;

	if (o->incremental || o->remove)
		tool_fail(EX_USAGE, "%s: only hash: and btree: tables are databases here", spec);
	for (const char *const *type = texts; *type; type++) {
		const char *name = name_of(spec, *type);

		if (name && type != texts)
			tool_say(LOG_LEVEL_INFO,
			    "%s: the text is what is looked up in; no database is made", spec);
		if (name)
			return make_check(name, &o->make);
	}
	t = open_table(spec);
	ok = table_lookup(t, STR("x"), &value, &why) != TABLE_ERROR;
	if (!ok)
		tool_say(LOG_LEVEL_ERROR, "%s", buf_cstr(&why));
	table_close(&t);
	buf_wipe(&value);
	buf_free(&why);
	return ok;
}

static int
make(const struct options *o, char **specs, size_t n)
{
	struct buf text = {0};
	bool ok = true, found = false;

	if (o->incremental || (o->remove && strcmp(o->remove, "-") == 0))
		read_input(&text);
	for (size_t i = 0; i < n; i++) {
		char *spec = full_spec(specs[i]);
		bool btree;
		const char *name = database_name(spec, &btree);

		if (!name)
			ok = check(spec, o) && ok;
		else if (o->remove)
			ok = remove_keys(name, btree, o, buf_view(&text), &found) && ok;
		else if (o->incremental)
			ok = make_added(name, btree, buf_view(&text), &o->make) && ok;
		else
			ok = make_database(name, btree, &o->make) && ok;
		free(spec);
	}
	buf_wipe(&text);
	return ok && (found || !o->remove) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	struct conf_problems problems = {0};
	struct options o = {0};
	int status;
	size_t n;

	tool_name("postmap");
	parse(argc, argv, &o);
	n = (size_t)(argc - optind);
	/* What is wrong in main.cf is postkeep check's to say; the defaults do here. */
	conf_set(conf_load(o.config_dir, NULL, 0, &problems));
	conf_problems_free(&problems);
	table_register_db();
	if (o.query)
		status = query(&o, argv + optind, n);
	else if (o.list)
		status = list(argv + optind, n);
	else
		status = make(&o, argv + optind, n);
	tool_flush();
	return status;
}
