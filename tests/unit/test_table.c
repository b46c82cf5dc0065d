/*
 * test_table - table types, text files that change or fail, and proxy: against a real socket
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/fiber/fiber.h"
#include "lib/ipc/blocking.h"
#include "lib/ipc/messages.h"
#include "lib/table/table.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "value", or "-" for not found, or "!cause". */
static const char *
ask(struct table *t, struct str key, struct buf *out)
{
	struct buf value = {0}, why = {0};

	buf_reset(out);
	switch (table_lookup(t, key, &value, &why)) {
	case TABLE_FOUND:
		buf_str(out, buf_view(&value));
		break;
	case TABLE_NOT_FOUND:
		buf_putc(out, '-');
		break;
	case TABLE_ERROR:
		assert_true(why.len > 0);
		buf_printf(out, "!%s", buf_cstr(&why));
		break;
	}
	buf_free(&value);
	buf_free(&why);
	return buf_cstr(out);
}

static const struct {
	const char *spec, *key, *value;
} specs[] = {
    {"static:yes", "anything", "yes"},
    {"static:{a b}", "", "a b"},
    {"static: x", "k", " x"},
    {"inline:{a=1, b=2 , { c d = e f },{g=h=i}}", "a", "1"},
    {"inline:{a=1,{ c d = e f }}", "C D", "e f"},
    {"inline:{{g = h = i}}", "g", "h = i"},
    {"inline:{A=1}", "a", "1"},
    {"inline:{A=1}", "b", "-"},
    {"inline:{{a b = c},{d = e, f}}", "a b", "c"},
    {"inline:{{a b = c},{d = e, f}}", "d", "e, f"},
    {"regexp:{{/^a(.)c/ found $1}, {!/x/i none}}", "ABC", "found B"},
    {"regexp:{{/^a(.)c/ found $1}, {!/x/ none}}", "zx", "-"},
    {"regexp:{{/^a(.)c/ found $1}, {!/x/ none}}", "z", "none"},
    {"unix:passwd.byname", "no-such-user-here", "-"},
    {"unix:passwd.byname", "", "-"},
    {"unix:passwd.byname", "root:x", "-"},
    {"unix:group.byname", "no-such-group-here", "-"},
};

static void
test_specs(void **state)
{
	struct buf out = {0}, why = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(specs); i++) {
		struct table *t = table_open(str_c(specs[i].spec), &why);

		if (!t)
			fail_msg("%s: %s", specs[i].spec, buf_cstr(&why));
		assert_string_equal(ask(t, str_c(specs[i].key), &out), specs[i].value);
		table_close(&t);
		assert_null(t);
	}
	buf_free(&out);
	buf_free(&why);
}

static const char *const bad_specs[] = {"", "x", ":x", "hash:", "nosuch:/x",
    "inline:", "inline:a=1", "inline:{a}", "inline:{=b}", "inline:{a=1, A=2}", "unix:shadow.byname",
    "proxy:x", "regexp:{", "regexp:{/a/ b}x", "regexp:{{a b}}", "regexp:{{/a b}}",
    "regexp:{{/(a/ b}}", "regexp:{{/a/q b}}", "regexp:{{/a/ $1}}", "regexp:{{/a/ $}}",
    "regexp:{{!/(a)/ $1}}", "regexp:{{/(a)/ $0}}", "regexp:{{if /a/}}", "regexp:{{endif}}",
    "regexp:{{/(a)/ ${1}}"};

static void
test_bad_specs(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_specs); i++) {
		struct buf why = {0};

		if (table_open(str_c(bad_specs[i]), &why))
			fail_msg("\"%s\" was taken", bad_specs[i]);
		assert_true(why.len > 0);
		buf_free(&why);
	}
	for (const char *const *t = table_types(); *t; t++)
		assert_true(strlen(*t) > 0);
}

/* --- regexp: ----------------------------------------------------------------------------------- */

static const char patterns[] = "# as in regexp_table(5)\n"
			       "/^one$/ 1\n"
			       "/^case$/i C\n"
			       "/(a)(b)?(c)/  $1-$2-$3-${1}x-$(3)y-$$1\n"
			       "/^long$/\n"
			       "   continued $$\n"
			       "!/@/ no address\n"
			       "if /^user/\n"
			       "if !/@example\\.org$/\n"
			       "/@example\\.(com|net)$/ inner $1\n"
			       "endif\n"
			       "/^user-(.*)@/ user $1\n"
			       "endif\n"
			       "|^/path@| other delimiter\n"
			       "/^esc\\/aped@/ escaped\n"
			       "/^a+@/x plain plus\n"
			       "/^empty@/\n";

static const char *const matched[][2] = {{"one", "1"}, {"ONE", "1"}, {"case", "C"},
    {"CASE", "no address"}, {"xacx", "a--c-ax-cy-$1"}, {"ABC", "A-B-C-Ax-Cy-$1"},
    {"long", "continued $"}, {"nothing", "no address"}, {"user-x@example.com", "inner com"},
    {"user-x@example.org", "user x"}, {"user@example.org", "-"}, {"xuser-x@example.net", "-"},
    {"/path@", "other delimiter"}, {"esc/aped@", "escaped"}, {"aa@", "-"}, {"a+@", "plain plus"},
    {"empty@", ""}, {"@", "-"}};

static void
test_regexp(void **state)
{
	char *dir = fixture_dir();
	struct buf spec = {0}, out = {0}, why = {0};
	struct str nul = {"one\0", 4};
	struct table *t;

	(void)state;
	fixture_write(dir, "patterns", patterns, strlen(patterns));
	buf_printf(&spec, "regexp:%s/patterns", dir);
	t = table_open(buf_view(&spec), &why);
	assert_true(table_is_pattern(t));
	for (size_t i = 0; i < COUNT(matched); i++) {
		ask(t, str_c(matched[i][0]), &out);
		if (strcmp(buf_cstr(&out), matched[i][1]) != 0)
			fail_msg("%s: %s", matched[i][0], buf_cstr(&out));
	}
	assert_string_equal(ask(t, nul, &out), "no address");
	table_close(&t);
	buf_free(&spec);
	buf_free(&out);
	fixture_remove(dir);
}

static const struct {
	const char *text, *cause;
} bad_patterns[] = {
    {"/a/ b\n\n/(x/ y\n", "line 3: pattern \"(x\""},
    {"if /a/\n/b/ c\n", "\"if\" without \"endif\""},
    {"/b/ c\nendif\n", "line 2: \"endif\" without \"if\""},
    {"word result\n", "line 1: a pattern between two slashes"},
    {"/open result\n", "line 1: the closing \"/\" of the pattern is missing"},
    {"/a/ b\n/a/z b\n", "line 2: unknown flag \"z\""},
    {"/a(b)/ $2\n", "line 1: the result has $2, the pattern 1 parts"},
    {"/a/ cost 5$\n", "line 1: \"$\" in a result"},
    {"!/(a)/ $1\n", "line 1: what does not match has no parts"},
    {"/a\\", "the closing \"/\""},
};

/* A pattern that makes no sense is not left out: mail waits. */
static void
test_regexp_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_patterns); i++) {
		char *dir = fixture_dir();
		struct buf spec = {0}, out = {0}, why = {0};
		struct table *t;

		fixture_write(dir, "patterns", bad_patterns[i].text, strlen(bad_patterns[i].text));
		buf_printf(&spec, "regexp:%s/patterns", dir);
		t = table_open(buf_view(&spec), &why);
		ask(t, STR("a"), &out);
		if (out.data[0] != '!' || !strstr(buf_cstr(&out), bad_patterns[i].cause))
			fail_msg("%s: %s", bad_patterns[i].text, buf_cstr(&out));
		assert_string_equal(ask(t, STR("a"), &why), buf_cstr(&out));
		table_close(&t);
		buf_free(&spec);
		buf_free(&out);
		buf_free(&why);
		fixture_remove(dir);
	}
}

/* Of a long key the beginning is matched; in other tables it cannot stand. */
static void
test_long_keys(void **state)
{
	struct buf why = {0}, out = {0};
	struct table *t = table_open(STR("regexp:{{/^(x*)y?$/ $1}}"), &why);
	char *key = malloc(40000);

	(void)state;
	memset(key, 'x', 40000);
	key[16384] = 'y';
	ask(t, str_n(key, 16384), &out);
	assert_int_equal(out.len, 16384);
	ask(t, str_n(key, 40000), &out);
	assert_int_equal(out.len, 16384);
	table_close(&t);
	t = table_open(STR("inline:{a=b}"), &why);
	assert_string_equal(ask(t, str_n(key, 40000), &out), "-");
	table_close(&t);
	free(key);
	buf_free(&out);
}

/* Who is asked by way of proxymap is told no parts of an address either. */
static void
test_pattern_types(void **state)
{
	static const struct {
		const char *spec;
		bool pattern;
	} rows[] = {{"regexp:/x", true}, {"proxy:regexp:/x", true}, {"proxy:proxy:regexp:/x", true},
	    {"texthash:/regexp:x", false}, {"proxy:texthash:/x", false}, {"proxy:regexpx:y", false},
	    {"static:regexp:x", false}};
	struct buf why = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str spec = str_c(rows[i].spec);
		struct table *all[] = {table_open(spec, &why),
		    table_open_for(spec, "p", true, &why),
		    table_open_preloaded(spec, "p", NULL, &why)};

		for (size_t j = 0; j < COUNT(all); j++) {
			assert_non_null(all[j]);
			if (table_is_pattern(all[j]) != rows[i].pattern)
				fail_msg("%s (%zu)", rows[i].spec, j);
			table_close(&all[j]);
		}
	}
	buf_free(&why);
}

/* --- Read for good ----------------------------------------------------------------------------- */

static const char *const preloads[] = {"texthash", "hash", "btree", "regexp"};

/* What is read for good answers as it was, with the file changed, gone, or out of reach. */
static void
test_preloaded(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(preloads); i++) {
		bool regexp = strcmp(preloads[i], "regexp") == 0;
		const char *text = regexp ? "/^key$/ one\n" : "key one\n";
		struct buf spec = {0}, out = {0}, why = {0}, path = {0};
		struct table_paths paths = {0};
		char *dir = fixture_dir();
		struct table *t, *other;

		fixture_write(dir, "t", text, strlen(text));
		buf_printf(&spec, "%s:%s/t", preloads[i], dir);
		buf_printf(&path, "%s/t", dir);
		t = table_open_preloaded(buf_view(&spec), "smtp_tls_policy_maps", &paths, &why);
		assert_non_null(t);
		assert_int_equal(paths.count, 1);
		assert_string_equal(paths.list[0], buf_cstr(&path));
		fixture_write(dir, "t", "", 0);
		assert_string_equal(ask(t, STR("key"), &out), "one");
		unlink(buf_cstr(&path));
		assert_string_equal(ask(t, STR("key"), &out), "one");
		assert_string_equal(ask(t, STR("other"), &out), "-");
		/* One that was not there stays so, and says it; its path is watched all the same. */
		other = table_open_preloaded(buf_view(&spec), "", &paths, &why);
		fixture_write(dir, "t", text, strlen(text));
		ask(other, STR("key"), &out);
		assert_non_null(strstr(buf_cstr(&out), "t: No such file or directory"));
		assert_true(paths.count == 1 || paths.count == 2); /* t, and t.db */
		assert_int_equal(why.len, 0);
		table_close(&t);
		table_close(&other);
		table_paths_free(&paths);
		buf_free(&spec);
		buf_free(&out);
		buf_free(&path);
		fixture_remove(dir);
	}
}

static void
test_preloaded_kinds(void **state)
{
	static const char *const rows[][2] = {
	    {"static:x", "x"},
	    {"inline:{key=y}", "y"},
	    {"regexp:{{/k/ z}}", "z"},
	    {"proxy:texthash:/nonexistent",
		"!table proxy:texthash:/nonexistent: private/proxymap-smtp: No such file or "
		"directory"},
	    {"unix:passwd.byname",
		"!table proxy:unix:passwd.byname: private/proxymap-smtp: No such file or "
		"directory"},
	};
	struct table_paths paths = {0};
	struct buf out = {0}, why = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct table *t = table_open_preloaded(str_c(rows[i][0]), "p", &paths, &why);

		assert_string_equal(ask(t, STR("key"), &out), rows[i][1]);
		table_close(&t);
	}
	assert_int_equal(paths.count, 0);
	assert_null(table_open_preloaded(STR("nosuch:x"), "p", &paths, &why));
	assert_true(why.len > 0);
	buf_free(&out);
	buf_free(&why);
}

static void
test_unix(void **state)
{
	struct buf out = {0}, why = {0};
	struct table *t = table_open(STR("unix:passwd.byname"), &why);
	struct str nul = {"root\0", 5};

	(void)state;
	assert_true(strncmp(ask(t, STR("root"), &out), "root:", 5) == 0);
	assert_true(strstr(buf_cstr(&out), ":0:0:") != NULL);
	assert_true(strncmp(ask(t, STR("ROOT"), &out), "root:", 5) == 0);
	assert_string_equal(ask(t, nul, &out), "-");
	table_close(&t);
	t = table_open(STR("unix:group.byname"), &why);
	assert_true(strncmp(ask(t, STR("root"), &out), "root:", 5) == 0);
	table_close(&t);
	buf_free(&out);
	buf_free(&why);
}

/* --- Text files ----------------------------------------------------------------------------- */

static const char text[] = "# a comment\n"
			   "key value\n"
			   "\n"
			   "Upper\tCase value with blanks  \n"
			   "   # a comment within\n"
			   "long one\n"
			   "\ttwo\n"
			   "# comment between\n"
			   "\n"
			   " three\n"
			   "\"quoted key\"@d.e  x\n"
			   "\"a\\\"b\" y\n"
			   "alias: |program\n"
			   "only-a-key\n"
			   "key again\n"
			   "crlf line\r\n"
			   "last entry";

static const struct {
	const char *key, *value;
} entries[] = {
    {"key", "value"},
    {"KEY", "value"},
    {"upper", "Case value with blanks"},
    {"long", "one\ttwo three"},
    {"quoted key@d.e", "x"},
    {"a\"b", "y"},
    {"alias", "|program"},
    {"only-a-key", "!/table: \"only-a-key\" has no value"},
    {"crlf", "line"},
    {"last", "entry"},
    {"#", "-"},
    {"three", "-"},
    {"", "-"},
};

static struct table *
open_file(const char *type, const char *dir, struct buf *why)
{
	struct buf spec = {0};
	struct table *t;

	buf_printf(&spec, "%s:%s/table", type, dir);
	t = table_open(buf_view(&spec), why);
	buf_free(&spec);
	return t;
}

/* Is GOT what was EXPECTED? Of an error the end of its words counts. */
static bool
is_expected(const char *got, const char *expected)
{
	if (*expected != '!')
		return strcmp(got, expected) == 0;
	return *got == '!' && str_ends_nocase(str_c(got), str_c(expected + 1));
}

static void
test_text(void **state)
{
	static const char *const types[] = {"texthash", "hash", "btree", "lmdb", "cdb", "dbm"};
	struct buf out = {0}, why = {0}, key = {0};
	char *dir = fixture_dir();

	(void)state;
	fixture_write(dir, "table", text, sizeof text - 1);
	for (size_t i = 0; i < COUNT(types); i++) {
		struct table *t = open_file(types[i], dir, &why);

		for (size_t k = 0; k < COUNT(entries); k++)
			if (!is_expected(ask(t, str_c(entries[k].key), &out), entries[k].value))
				fail_msg(
				    "%s: %s: \"%s\"", types[i], entries[k].key, buf_cstr(&out));
		while (key.len < 5000)
			buf_putc(&key, 'k');
		assert_string_equal(ask(t, buf_view(&key), &out), "-");
		table_close(&t);
	}
	fixture_remove(dir);
	buf_free(&out);
	buf_free(&why);
	buf_free(&key);
}

/* Longer than the second between two looks. */
static void
let_it_look(void)
{
	usleep(1100 * 1000);
}

/* What changes is read again; what cannot be read is an error, and heals itself. */
static void
test_changes(void **state)
{
	struct buf out = {0}, why = {0}, path = {0};
	char *dir = fixture_dir();
	struct table *t = open_file("hash", dir, &why);

	(void)state;
	buf_printf(&path, "%s/table", dir);
	assert_true(strstr(ask(t, STR("k"), &out), "table: No such file") != NULL);
	assert_true(buf_cstr(&out)[0] == '!');
	/* After an error it looks at once. */
	fixture_write(dir, "table", "k one\n", 6);
	assert_string_equal(ask(t, STR("k"), &out), "one");
	fixture_write(dir, "table", "k two\n", 6);
	let_it_look();
	assert_string_equal(ask(t, STR("k"), &out), "two");
	assert_int_equal(unlink(buf_cstr(&path)), 0);
	let_it_look();
	assert_true(ask(t, STR("k"), &out)[0] == '!');
	assert_int_equal(mkdir(buf_cstr(&path), 0700), 0);
	assert_true(ask(t, STR("k"), &out)[0] == '!');
	assert_int_equal(rmdir(buf_cstr(&path)), 0);
	fixture_write(dir, "table", "x three\n", 8);
	assert_string_equal(ask(t, STR("k"), &out), "-");
	assert_string_equal(ask(t, STR("x"), &out), "three");
	table_close(&t);
	fixture_remove(dir);
	buf_free(&out);
	buf_free(&why);
	buf_free(&path);
}

/* 64 MiB is read, a byte more is an error: the file is sparse, a comment of NULs. */
static void
test_large_file(void **state)
{
	struct buf out = {0}, why = {0}, path = {0};
	char *dir = fixture_dir();

	(void)state;
	buf_printf(&path, "%s/table", dir);
	for (off_t more = 0; more <= 1; more++) {
		struct table *t = open_file("hash", dir, &why);

		fixture_write(dir, "table", "k one\n#", 7);
		assert_int_equal(truncate(buf_cstr(&path), ((off_t)64 << 20) + more), 0);
		assert_int_equal(ask(t, STR("k"), &out)[0], more ? '!' : 'o');
		table_close(&t);
	}
	fixture_remove(dir);
	buf_free(&out);
	buf_free(&why);
	buf_free(&path);
}

/* --- proxy: --------------------------------------------------------------------------------- */

/* One answer for each key; "die" closes the channel instead. */
static void
answer(struct ipc_blocking *b, struct arena *a)
{
	struct msg_lookup request;
	struct msg_lookup_answer reply = {.value = STR_EMPTY, .why = STR_EMPTY};
	struct buf value = {0};

	while (ipc_blocking_recv_one(b, a, &msg_lookup, &request) == IPC_OK) {
		buf_reset(&value);
		buf_printf(&value, "%.*s|%.*s|%.*s", STR_ARG(request.table), STR_ARG(request.param),
		    STR_ARG(request.key));
		reply = (struct msg_lookup_answer){0, buf_view(&value), STR_EMPTY};
		if (str_eq(request.key, STR("none")))
			reply = (struct msg_lookup_answer){1, STR_EMPTY, STR_EMPTY};
		else if (str_eq(request.key, STR("broken")))
			reply = (struct msg_lookup_answer){2, STR_EMPTY, STR("disk on fire")};
		else if (str_eq(request.key, STR("die")))
			break;
		if (ipc_blocking_send(b, &msg_lookup_answer, &reply) != IPC_OK ||
		    ipc_blocking_flush(b) != IPC_OK || str_eq(request.key, STR("last")))
			break;
	}
	buf_free(&value);
}

/* A process that plays proxymap, for a confined program, for CHANNELS connections one after the other. */
static pid_t
serve(int channels)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX, .sun_path = "private/proxymap-net"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	unlink(sun.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(fd, 5), 0);
	pid = fork();
	if (pid == 0) {
		for (; channels > 0; channels--) {
			int c = accept(fd, NULL, NULL);
			struct ipc_blocking *b = ipc_blocking_new(c, "proxymap", 10000);
			struct arena *a = arena_new(0);

			answer(b, a);
			ipc_blocking_free(&b);
			arena_free(&a);
		}
		_exit(0);
	}
	close(fd);
	return pid;
}

static void
end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
ask_proxy(void *arg)
{
	struct buf out = {0}, why = {0};
	struct table *t = table_open_for(STR("hash:/etc/x"), "relay_domains", true, &why);

	(void)arg;
	assert_non_null(t);
	assert_string_equal(ask(t, STR("k"), &out), "hash:/etc/x|relay_domains|k");
	assert_string_equal(ask(t, STR("none"), &out), "-");
	assert_string_equal(ask(t, STR("broken"), &out), "!table proxy:hash:/etc/x: disk on fire");
	/* proxymap goes away after an answer: on a fiber the next look-up finds the channel dead. */
	assert_string_equal(ask(t, STR("last"), &out), "hash:/etc/x|relay_domains|last");
	assert_string_equal(ask(t, STR("k"), &out), "hash:/etc/x|relay_domains|k");
	/* It goes away without one, again and again: no answer is no "no". */
	assert_true(ask(t, STR("die"), &out)[0] == '!');
	table_close(&t);
	buf_free(&out);
	buf_free(&why);
}

static void
test_proxy(void **state)
{
	struct buf out = {0}, why = {0};
	char *dir = fixture_dir(), here[4096];
	struct table *t;
	pid_t pid;

	(void)state;
	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("private", 0700), 0);
	t = table_open(STR("proxy:unix:passwd.byname"), &why);
	assert_true(strstr(ask(t, STR("k"), &out), "private/proxymap: No such file") != NULL);
	table_close(&t);
	t = table_open_for(STR("proxy:unix:passwd.byname"), "x", true, &why);
	assert_true(strstr(ask(t, STR("k"), &out), "private/proxymap-net: No such file") != NULL);
	table_close(&t);
	/* Off a fiber: a connection each. */
	pid = serve(6);
	ask_proxy(NULL);
	end(pid);
	/* On a fiber: one that is kept, one after the first was closed, and a last try for "die". */
	pid = serve(3);
	fiber_main(ask_proxy, NULL);
	end(pid);
	assert_int_equal(unlink("private/proxymap-net"), 0);
	assert_int_equal(rmdir("private"), 0);
	assert_int_equal(chdir(here), 0);
	fixture_remove(dir);
	buf_free(&out);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_specs),
	    cmocka_unit_test(test_bad_specs),
	    cmocka_unit_test(test_unix),
	    cmocka_unit_test(test_regexp),
	    cmocka_unit_test(test_regexp_bad),
	    cmocka_unit_test(test_long_keys),
	    cmocka_unit_test(test_pattern_types),
	    cmocka_unit_test(test_preloaded),
	    cmocka_unit_test(test_preloaded_kinds),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_large_file),
	    cmocka_unit_test(test_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
