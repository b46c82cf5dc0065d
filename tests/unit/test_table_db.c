/*
 * test_table_db - what libpostkeep-tables has: hash: and btree: as databases, where there is no text and no longer
 * than that; pcre:
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/table/table.h"
#include "lib/table/table_db.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct rig {
	char *dir;
	struct buf spec, text, db;
	struct table *t;
};

static void
setup(struct rig *r, bool btree)
{
	r->dir = fixture_dir();
	buf_printf(&r->spec, "%s:%s/t", btree ? "btree" : "hash", r->dir);
	buf_printf(&r->text, "%s/t", r->dir);
	buf_printf(&r->db, "%s/t.db", r->dir);
}

static void
teardown(struct rig *r)
{
	table_close(&r->t);
	fixture_remove(r->dir);
	buf_free(&r->spec);
	buf_free(&r->text);
	buf_free(&r->db);
}

static void
reopen(struct rig *r)
{
	struct buf why = {0};

	table_close(&r->t);
	r->t = table_open(buf_view(&r->spec), &why);
	assert_non_null(r->t);
	assert_int_equal(why.len, 0);
}

/* PAIRS: "key", "value", …, NULL. */
static void
make(struct rig *r, bool btree, bool terminate, const char *const *pairs)
{
	struct buf why = {0}, path = {0};
	struct table_db_file *f;

	/* As postmap does: made beside it, then renamed. */
	buf_printf(&path, "%s/new", r->dir);
	f = table_db_create(buf_cstr(&path), btree, &why);
	if (!f)
		fail_msg("%s", buf_cstr(&why));
	for (; *pairs; pairs += 2) {
		assert_int_equal(
		    table_db_put(f, str_c(pairs[0]), str_c(pairs[1]), terminate, false, &why),
		    TABLE_DB_PUT);
		assert_int_equal(table_db_put(f, str_c(pairs[0]), STR("x"), terminate, false, &why),
		    TABLE_DB_THERE);
	}
	assert_true(table_db_close(&f, &why));
	assert_null(f);
	assert_int_equal(why.len, 0);
	assert_int_equal(rename(buf_cstr(&path), buf_cstr(&r->db)), 0);
	buf_free(&path);
}

static void
expect(struct table *t, const char *key, const char *answer)
{
	struct buf value = {0}, why = {0}, got = {0};

	switch (table_lookup(t, str_c(key), &value, &why)) {
	case TABLE_FOUND:
		buf_str(&got, buf_view(&value));
		break;
	case TABLE_NOT_FOUND:
		buf_puts(&got, "-");
		break;
	case TABLE_ERROR:
		buf_printf(&got, "!%s", buf_cstr(&why));
		break;
	}
	if (answer[0] == '!' ? !strstr(buf_cstr(&got), answer + 1) || got.data[0] != '!'
			     : strcmp(buf_cstr(&got), answer) != 0)
		fail_msg("%s: %s", key, buf_cstr(&got));
	buf_free(&value);
	buf_free(&why);
	buf_free(&got);
}

static const char *const some[] = {"key", "value", "other", "two words", "empty", "", NULL};
static const char *const newer[] = {"key", "changed", NULL};

/* Runs first: nobody has called table_register_db(). */
static void
test_without_library(void **state)
{
	struct rig r = {0};

	(void)state;
	setup(&r, false);
	make(&r, false, true, some);
	reopen(&r);
	expect(r.t, "key", "!");
	expect(r.t, "key", "!this program reads no databases");
	teardown(&r);
}

static void
test_lookup(void **state)
{
	(void)state;
	table_register_db();
	for (int kind = 0; kind < 4; kind++) {
		struct rig r = {0};

		setup(&r, kind & 1);
		reopen(&r);
		expect(r.t, "key", "!table ");
		expect(r.t, "key", "!/t: No such file or directory");
		make(&r, kind & 1, kind & 2, some);
		expect(r.t, "key", "value");
		expect(r.t, "KEY", "value");
		expect(r.t, "other", "two words");
		expect(r.t, "empty", "");
		expect(r.t, "ke", "-");
		expect(r.t, "", "-");
		/* Made anew under the same name. */
		make(&r, kind & 1, kind & 2, newer);
		expect(r.t, "key", "changed");
		expect(r.t, "other", "-");
		teardown(&r);
	}
}

/* The text is what counts, with or without a database, older or newer. */
static void
test_text_first(void **state)
{
	struct rig r = {0};

	(void)state;
	setup(&r, false);
	make(&r, false, true, some);
	fixture_write(r.dir, "t", "key text\n", 9);
	reopen(&r);
	expect(r.t, "key", "text");
	expect(r.t, "other", "-");
	unlink(buf_cstr(&r.text));
	reopen(&r);
	expect(r.t, "other", "two words");
	fixture_write(r.dir, "t", "other again\n", 12);
	expect(r.t, "other", "again");
	expect(r.t, "key", "-");
	teardown(&r);
}

static void
test_preloaded(void **state)
{
	struct rig r = {0};
	struct table_paths paths = {0};
	struct buf why = {0};
	struct table *t;

	(void)state;
	setup(&r, true);
	make(&r, true, true, some);
	t = table_open_preloaded(buf_view(&r.spec), "smtp_generic_maps", &paths, &why);
	assert_int_equal(paths.count, 2);
	assert_string_equal(paths.list[0], buf_cstr(&r.text));
	assert_string_equal(paths.list[1], buf_cstr(&r.db));
	make(&r, true, true, newer);
	expect(t, "KEY", "value");
	unlink(buf_cstr(&r.db));
	expect(t, "other", "two words");
	expect(t, "nothing", "-");
	table_close(&t);
	/* Neither is there. */
	t = table_open_preloaded(buf_view(&r.spec), "smtp_generic_maps", NULL, &why);
	expect(t, "key", "!table btree:");
	make(&r, true, true, some);
	expect(t, "key", "!");
	table_close(&t);
	table_paths_free(&paths);
	teardown(&r);
}

/* Files that are none, of the other type, cut short, or empty. */
static void
test_bad_files(void **state)
{
	static const char *const contents[] = {"", "no database", "key value\n"};
	struct rig r = {0};
	struct stat st;

	(void)state;
	setup(&r, false);
	for (size_t i = 0; i < COUNT(contents); i++) {
		fixture_write(r.dir, "t.db", contents[i], strlen(contents[i]));
		reopen(&r);
		expect(r.t, "key", "!");
		expect(r.t, "key", "!t.db: ");
	}
	make(&r, true, true, some);
	reopen(&r);
	expect(r.t, "key", "!");
	expect(r.t, "key", "!not a database of the type hash");
	make(&r, false, true, some);
	assert_int_equal(stat(buf_cstr(&r.db), &st), 0);
	assert_int_equal(truncate(buf_cstr(&r.db), st.st_size / 2), 0);
	reopen(&r);
	expect(r.t, "key", "!");
	teardown(&r);
}

struct list {
	size_t n;
	bool key;
};

static void
count(void *arg, struct str key, struct str value)
{
	struct list *l = arg;

	l->n++;
	if (str_eq(key, STR("key")))
		l->key = str_eq(value, STR("value"));
}

static void
test_each(void **state)
{
	static const char text[] = "key value\nb c\n";
	struct rig r = {0};
	struct list l = {0};
	struct buf why = {0};

	(void)state;
	setup(&r, false);
	make(&r, false, true, some);
	reopen(&r);
	assert_true(table_list(r.t, count, &l, &why));
	assert_int_equal(l.n, 3);
	assert_true(l.key);
	l = (struct list){0};
	assert_true(table_db_each(buf_cstr(&r.db), false, count, &l, &why));
	assert_int_equal(l.n, 3);
	fixture_write(r.dir, "t", text, strlen(text));
	l = (struct list){0};
	assert_true(table_list(r.t, count, &l, &why));
	assert_int_equal(l.n, 2);
	assert_true(l.key);
	unlink(buf_cstr(&r.text));
	unlink(buf_cstr(&r.db));
	reopen(&r);
	assert_false(table_list(r.t, count, &l, &why));
	assert_true(why.len > 0);
	buf_free(&why);
	teardown(&r);
}

/* --- pcre: ----------------------------------------------------------------------------------- */

static const char patterns[] = "# as in pcre_table(5)\n"
			       "/^(?<!x)one(\\d+)$/ $1\n"
			       "/^case$/i C\n"
			       "/^a.b$/ dot\n"
			       "/^a.b$/s never\n"
			       "/two words/x extended\n"
			       "/^(a+)(b)?(c)@/  $1-$2-$3-${1}x-$(3)y-$$1\n"
			       "!/@/ no address\n"
			       "if /^user/\n"
			       "/greedy(x+)/U $1\n"
			       "endif\n"
			       "/here@/A anchored\n"
			       "/^((a+)+)+!$/ slow\n";

static const char *const matched[][2] = {{"one17", "17"}, {"ONE1", "1"}, {"case", "C"},
    {"a\nb", "dot"}, {"twowords", "extended"}, {"aac@", "aa--c-aax-cy-$1"},
    {"abc@", "a-b-c-ax-cy-$1"}, {"CASE", "no address"}, {"user-greedyxxx@", "x"},
    {"greedyxxx@", "-"}, {"here@", "anchored"}, {"not here@", "-"},
    {"@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "-"}};

static void
test_pcre(void **state)
{
	char *dir = fixture_dir();
	struct buf spec = {0}, why = {0};
	struct table *t;

	(void)state;
	table_register_db();
	fixture_write(dir, "patterns", patterns, strlen(patterns));
	buf_printf(&spec, "pcre:%s/patterns", dir);
	t = table_open(buf_view(&spec), &why);
	assert_non_null(t);
	assert_true(table_is_pattern(t));
	for (size_t i = 0; i < COUNT(matched); i++)
		expect(t, matched[i][0], matched[i][1]);
	table_close(&t);
	t = table_open_preloaded(buf_view(&spec), "smtp_header_checks", NULL, &why);
	fixture_write(dir, "patterns", "", 0);
	expect(t, "one17", "17");
	table_close(&t);
	buf_free(&spec);
	fixture_remove(dir);
}

/* A pattern that takes too long is no answer: a stranger could have seen to it. */
static void
test_pcre_limits(void **state)
{
	static const char *const bad[][2] = {{"/(/ x", "missing closing parenthesis"},
	    {"/a/q x", "unknown flag \"q\""}, {"/\\y/X x", "unrecognized character follows"},
	    {"/a/ $1", "the pattern 0 parts"}};
	struct buf why = {0}, spec = {0};
	struct table *t = table_open(STR("pcre:{{/^(a+)+$/ slow}}"), &why);

	(void)state;
	expect(t, "aaaa", "slow");
	expect(t, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
	    "!a pattern takes too much");
	table_close(&t);
	for (size_t i = 0; i < COUNT(bad); i++) {
		buf_reset(&spec);
		buf_reset(&why);
		buf_printf(&spec, "pcre:{{%s}}", bad[i][0]);
		assert_null(table_open(buf_view(&spec), &why));
		if (!strstr(buf_cstr(&why), bad[i][1]))
			fail_msg("%s: %s", bad[i][0], buf_cstr(&why));
	}
	buf_free(&spec);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_without_library),
	    cmocka_unit_test(test_lookup),
	    cmocka_unit_test(test_text_first),
	    cmocka_unit_test(test_preloaded),
	    cmocka_unit_test(test_bad_files),
	    cmocka_unit_test(test_each),
	    cmocka_unit_test(test_pcre),
	    cmocka_unit_test(test_pcre_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
