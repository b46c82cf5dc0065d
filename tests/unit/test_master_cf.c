/*
 * test_master_cf - the columns, the arguments, and what is reported
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/conf/lines.h"
#include "lib/conf/master_cf.h"
#include "tests/unit/conf_fixture.h"

static struct master_cf *
load(const char *text, size_t len, struct buf *told)
{
	struct conf_problems problems = {0};
	char *dir = fixture_dir();
	struct master_cf *m;

	fixture_write(dir, "master.cf", text, len);
	m = master_cf_load(dir, &problems);
	fixture_tell(&problems, told);
	conf_problems_free(&problems);
	fixture_remove(dir);
	return m;
}

/* An entry in one line: all columns, then <argument>s, then [name=value]s of -o. */
static void
describe(const struct master_entry *e, struct buf *out)
{
	static const char flags[] = "-yn";

	buf_printf(out, "%zu %s %s %c%c%c %d%s %d %s", e->line, e->name, master_type_name(e->type),
	    flags[e->private_service], flags[e->unprivileged], flags[e->chroot], e->wakeup,
	    e->wakeup_if_used ? "?" : "", e->maxproc, e->command);
	for (size_t i = 0; i < e->n_args; i++)
		buf_printf(out, " <%s>", e->args[i]);
	for (size_t i = 0; i < e->n_overrides; i++)
		buf_printf(out, " [%.*s=%.*s]", STR_ARG(e->overrides[i].name),
		    STR_ARG(e->overrides[i].value));
	buf_putc(out, '\n');
}

static void
expect(const char *text, const char *entries, const char *problems)
{
	struct buf told = {0}, got = {0};
	struct master_cf *m = load(text, strlen(text), &told);

	for (size_t i = 0; i < m->count; i++) {
		describe(&m->entries[i], &got);
		if (m->entries[i].n_args > 0)
			assert_null(m->entries[i].args[m->entries[i].n_args]);
	}
	if (strcmp(buf_cstr(&got), entries) != 0 || strcmp(buf_cstr(&told), problems) != 0)
		fail_msg("with:\n%s\nexpected:\n%s%s\ngot:\n%s%s", text, entries, problems,
		    buf_cstr(&got), buf_cstr(&told));
	master_cf_free(&m);
	buf_free(&told);
	buf_free(&got);
}

struct master_case {
	const char *text, *entries;
};

static const struct master_case good[] = {
    {"", ""},
    {"# nothing\n\n", ""},
    {"smtp inet n - y - - smtpd\n", "1 smtp inet n-y 0 -1 smtpd\n"},
    {"smtp\tinet  n\t-   y - -  smtpd", "1 smtp inet n-y 0 -1 smtpd\n"},
    {"\n\nqmgr unix n - n 300 1 qmgr\n", "3 qmgr unix n-n 300 1 qmgr\n"},
    {"flush unix n - y 1000? 0 flush\n", "1 flush unix n-y 1000? 0 flush\n"},
    {"x unix - y - 0 100 x\n", "1 x unix -y- 0 100 x\n"},
    {"x unix-dgram n - n - 1 postlogd\n", "1 x unix-dgram n-n 0 1 postlogd\n"},
    {"x fifo n - n 60 1 pickup\n", "1 x fifo n-n 60 1 pickup\n"},
    {"x pass - - y - - smtpd\n", "1 x pass --y 0 -1 smtpd\n"},
    {"25 inet n - n - - smtpd\n", "1 25 inet n-n 0 -1 smtpd\n"},
    {"127.0.0.1:2525 inet n - n - - smtpd\n", "1 127.0.0.1:2525 inet n-n 0 -1 smtpd\n"},
    {"[::1]:smtp inet n - n - - smtpd\n", "1 [::1]:smtp inet n-n 0 -1 smtpd\n"},
    {"mx.example:65535 inet n - n - - smtpd\n", "1 mx.example:65535 inet n-n 0 -1 smtpd\n"},
    {"x inet n - n - - y\nx unix - - n - - y\n", "1 x inet n-n 0 -1 y\n2 x unix --n 0 -1 y\n"},
    {"x unix - - n - - y -v -D\n", "1 x unix --n 0 -1 y <-v> <-D>\n"},
    {"x unix - - n - - y -o a=b\n", "1 x unix --n 0 -1 y [a=b]\n"},
    {"x unix - - n - - y -oa=b -v -o c=d\n", "1 x unix --n 0 -1 y <-v> [a=b] [c=d]\n"},
    {"x unix - - n - - y\n  -o a=\n  -o b=c=d\n", "1 x unix --n 0 -1 y [a=] [b=c=d]\n"},
    {"x unix - - n - - y\n  # between\n\n  -o a=b\n", "1 x unix --n 0 -1 y [a=b]\n"},
    {"x unix - - n - - y -o { a = b c, d }\n", "1 x unix --n 0 -1 y [a=b c, d]\n"},
    {"x unix - - n - - y -o { a = {b c} }\n", "1 x unix --n 0 -1 y [a={b c}]\n"},
    {"x unix - - n - - y -o {a=b}\n", "1 x unix --n 0 -1 y [a=b]\n"},
    {"x unix - - n - - pipe flags=R { argv=/bin/sh -c { a } }\n",
	"1 x unix --n 0 -1 pipe <flags=R> <argv=/bin/sh -c { a }>\n"},
    {"x unix - - n - - pipe -o a=b user=u argv=/x -o c\n",
	"1 x unix --n 0 -1 pipe <user=u> <argv=/x> <-o> "
	"<c> [a=b]\n"},
    {"x unix - - n - - spawn user=u argv=/x -o c=d\n",
	"1 x unix --n 0 -1 spawn <user=u> <argv=/x> <-o> <c=d>\n"},
};

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		expect(good[i].text, good[i].entries, "");
}

static const struct master_case bad[] = {
    {" smtp inet n - y - - smtpd\n",
	"error master.cf:1: the first line of the file must not begin with white space\n"},
    {"smtp inet n - y - -\n",
	"error master.cf:1: only 7 of the 8 columns are there; \"command\" is missing\n"},
    {"smtp\n", "error master.cf:1: only 1 of the 8 columns are there; \"type\" is missing\n"},
    {"x tcp n - y - - y\n",
	"error master.cf:1: type \"tcp\": must be inet, unix, unix-dgram, fifo or pass\n"},
    {"x unix yes - y - - y\n", "error master.cf:1: private \"yes\": must be y, n or -\n"},
    {"x unix - no y - - y\n", "error master.cf:1: unpriv \"no\": must be y, n or -\n"},
    {"x unix - - 1 - - y\n", "error master.cf:1: chroot \"1\": must be y, n or -\n"},
    {"x unix - - y soon - y\n",
	"error master.cf:1: wakeup \"soon\": must be a number of seconds, perhaps with \"?\", or "
	"-\n"},
    {"x unix - - y ? - y\n",
	"error master.cf:1: wakeup \"?\": must be a number of seconds, perhaps with \"?\", or -\n"},
    {"x unix - - y - many y\n",
	"error master.cf:1: maxproc \"many\": must be a number, 0 for no limit, or -\n"},
    {"x unix - - y - 2147483648 y\n",
	"error master.cf:1: maxproc \"2147483648\": must be a number, 0 for no limit, or -\n"},
    {"x unix - - y - - /bin/y\n",
	"error master.cf:1: command \"/bin/y\": must be the name of a program in "
	"daemon_directory\n"},
    {"x unix - - y - - ..\n",
	"error master.cf:1: command \"..\": must be the name of a program in daemon_directory\n"},
    {"smtp inet y - y - - y\n",
	"error master.cf:1: private \"y\": an inet service cannot be private: write n\n"},
    {"0 inet n - y - - y\n",
	"error master.cf:1: service \"0\": the port must be from 1 to 65535\n"},
    {"65536 inet n - y - - y\n",
	"error master.cf:1: service \"65536\": the port must be from 1 to 65535\n"},
    {"::1:25 inet n - y - - y\n",
	"error master.cf:1: service \"::1:25\": an IPv6 address stands in brackets: "
	"[address]:port\n"},
    {"host: inet n - y - - y\n",
	"error master.cf:1: service \"host:\": must be port, host:port or [address]:port\n"},
    {"[::1] inet n - y - - y\n",
	"error master.cf:1: service \"[::1]\": must be port, host:port or [address]:port\n"},
    {"a/b unix - - y - - y\n",
	"error master.cf:1: service \"a/b\": must not hold \"/\" or begin with \".\"\n"},
    {".. unix - - y - - y\n",
	"error master.cf:1: service \"..\": must not hold \"/\" or begin with \".\"\n"},
    {"x unix - - y - - y -o\n", "error master.cf:1: -o is the last word: name=value is missing\n"},
    {"x unix - - y - - y -o a\n",
	"error master.cf:1: -o \"a\": write -o name=value, or -o { name = value } for a "
	"value with spaces\n"},
    {"x unix - - y - - y -o a = b\n",
	"error master.cf:1: -o \"a\": write -o name=value, or -o { name = value } "
	"for a value with spaces\n"},
    {"x unix - - y - - y -o a=b, c\n",
	"error master.cf:1: \"c\" stands behind -o but belongs to no option; for a "
	"value with spaces write -o { name = value }\n"},
    {"x unix - - y - - y { a\n", "error master.cf:1: \"{\" without \"}\"\n"},
    {"x unix - - y - - y {a}b\n", "error master.cf:1: white space is missing behind \"}\"\n"},
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(bad[i].text, "", bad[i].entries);
}

static void
test_several(void **state)
{
	(void)state;
	expect("a unix - - n - - x\n"
	       "b unix - - n - x\n"
	       "\n"
	       "a unix - - y - - y\n"
	       "c unix - - q - - x\n"
	       "d unix - - n - - x\n",
	    "1 a unix --n 0 -1 x\n6 d unix --n 0 -1 x\n",
	    "error master.cf:2: only 7 of the 8 columns are there; \"command\" is missing\n"
	    "error master.cf:4: service \"a\" of type unix stands in line 1 already\n"
	    "error master.cf:5: chroot \"q\": must be y, n or -\n");
}

/* The layout of a stock file of Debian's Postfix: every line is accepted. */
static const char stock[] =
    "smtp      inet  n       -       y       -       -       smtpd\n"
    "#smtp      inet  n       -       y       -       1       postscreen\n"
    "#smtpd     pass  -       -       y       -       -       smtpd\n"
    "submission inet n       -       y       -       -       smtpd\n"
    "  -o syslog_name=postfix/submission\n"
    "  -o smtpd_tls_security_level=encrypt\n"
    "  -o smtpd_client_restrictions=$mua_client_restrictions\n"
    "#  -o smtpd_helo_restrictions=$mua_helo_restrictions\n"
    "  -o milter_macro_daemon_name=ORIGINATING\n"
    "628       inet  n       -       y       -       -       qmqpd\n"
    "pickup    unix  n       -       y       60      1       pickup\n"
    "cleanup   unix  n       -       y       -       0       cleanup\n"
    "qmgr      unix  n       -       n       300     1       qmgr\n"
    "tlsmgr    unix  -       -       y       1000?   1       tlsmgr\n"
    "rewrite   unix  -       -       y       -       -       trivial-rewrite\n"
    "bounce    unix  -       -       y       -       0       bounce\n"
    "defer     unix  -       -       y       -       0       bounce\n"
    "flush     unix  n       -       y       1000?   0       flush\n"
    "proxymap  unix  -       -       n       -       -       proxymap\n"
    "smtp      unix  -       -       y       -       -       smtp\n"
    "relay     unix  -       -       y       -       -       smtp\n"
    "        -o syslog_name=postfix/$service_name\n"
    "showq     unix  n       -       y       -       -       showq\n"
    "local     unix  -       n       n       -       -       local\n"
    "virtual   unix  -       n       n       -       -       virtual\n"
    "lmtp      unix  -       -       y       -       -       lmtp\n"
    "anvil     unix  -       -       y       -       1       anvil\n"
    "postlog   unix-dgram n  -       n       -       1       postlogd\n"
    "maildrop  unix  -       n       n       -       -       pipe\n"
    "  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n"
    "mailman   unix  -       n       n       -       -       pipe\n"
    "  flags=FRX user=list argv=/usr/lib/mailman/bin/postfix-to-mailman.py ${nexthop} ${user}\n";

static void
test_stock(void **state)
{
	struct buf told = {0};
	struct master_cf *m = load(stock, strlen(stock), &told);

	(void)state;
	assert_string_equal(buf_cstr(&told), "");
	assert_int_equal(m->count, 22);
	assert_int_equal(m->entries[1].n_overrides, 4);
	assert_true(str_eq(m->entries[1].overrides[2].value, STR("$mua_client_restrictions")));
	assert_string_equal(m->entries[20].args[2], "argv=/usr/bin/maildrop");
	master_cf_free(&m);
	buf_free(&told);
}

static void
test_limits(void **state)
{
	struct buf text = {0}, told = {0};
	struct master_cf *m;

	(void)state;
	/* names of 64 and 65 letters */
	for (int extra = 0; extra < 2; extra++) {
		buf_reset(&text);
		buf_reset(&told);
		for (int i = 0; i < 64 + extra; i++)
			buf_putc(&text, 'x');
		buf_puts(&text, " unix - - n - - y\n");
		m = load(text.data, text.len, &told);
		assert_int_equal(m->count, 1 - extra);
		assert_int_equal(strstr(buf_cstr(&told), "longer than 64 letters") != NULL, extra);
		master_cf_free(&m);
	}
	/* many services */
	buf_reset(&text);
	buf_reset(&told);
	for (int i = 0; i < 3000; i++)
		buf_printf(&text, "s%d unix - - n - - y -o a=%d\n", i, i);
	m = load(text.data, text.len, &told);
	assert_int_equal(m->count, 3000);
	assert_string_equal(m->entries[2999].name, "s2999");
	assert_int_equal(told.len, 0);
	master_cf_free(&m);
	/* a NUL byte, and a file one byte too long */
	m = load("x unix - - n - - y\0\n", 20, &told);
	assert_string_equal(buf_cstr(&told), "error master.cf:1: a NUL byte in the line\n");
	master_cf_free(&m);
	buf_reset(&text);
	buf_reset(&told);
	memset(buf_reserve(&text, CONF_FILE_MAX + 1), '\n', CONF_FILE_MAX + 1);
	m = load(text.data, CONF_FILE_MAX + 1, &told);
	assert_string_equal(buf_cstr(&told), "error master.cf:0: longer than 4 MiB\n");
	master_cf_free(&m);
	buf_free(&text);
	buf_free(&told);
}

static void
test_missing(void **state)
{
	struct conf_problems problems = {0};
	struct master_cf *m = master_cf_load("/nonexistent", &problems);

	(void)state;
	assert_int_equal(problems.errors, 1);
	assert_string_equal(problems.list[0].file, "/nonexistent/master.cf");
	assert_string_equal(problems.list[0].text, "cannot be read: No such file or directory");
	assert_int_equal(m->count, 0);
	master_cf_free(&m);
	conf_problems_free(&problems);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_several),
	    cmocka_unit_test(test_stock),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
