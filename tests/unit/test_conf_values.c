/*
 * test_conf_values - the types of values and their ranges, the limits of the language and of the file
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/conf/params.h"
#include "tests/unit/conf_fixture.h"

/* VALUE of a parameter: is it taken, and as which number? */
static const struct {
	const char *name, *value;
	int64_t number; /* -1: refused */
} typed[] = {
    {"smtpd_recipient_limit", "1", 1},
    {"smtpd_recipient_limit", "0", -1},
    {"smtpd_recipient_limit", "2147483647", 2147483647},
    {"smtpd_recipient_limit", "2147483648", -1},
    {"smtpd_recipient_limit", "99999999999999999999", -1},
    {"smtpd_recipient_limit", "", -1},
    {"smtpd_recipient_limit", "-5", -1},
    {"smtpd_recipient_limit", "5x", -1},
    {"smtpd_recipient_limit", "5k", -1},
    {"smtpd_client_ipv4_prefix_length", "32", 32},
    {"smtpd_client_ipv4_prefix_length", "33", -1},
    {"message_size_limit", "0", 0},
    {"message_size_limit", "10240000", 10240000},
    {"message_size_limit", "10M", 10 << 20},
    {"message_size_limit", "3k", 3 << 10},
    {"message_size_limit", "8589934591G", (int64_t)8589934591 << 30},
    {"message_size_limit", "8589934592G", -1},
    {"message_size_limit", "9223372036854775807", INT64_MAX},
    {"message_size_limit", "9223372036854775808", -1},
    {"message_size_limit", "M", -1},
    {"queue_slot_size", "4095", -1},
    {"queue_slot_size", "4096", 4096},
    {"queue_slot_size", "1048576", 1048576},
    {"queue_slot_size", "1048577", -1},
    {"max_idle", "0", -1},
    {"max_idle", "1", 1},
    {"max_idle", "5m", 300},
    {"max_idle", "2h", 7200},
    {"max_idle", "3d", 259200},
    {"max_idle", "1w", 604800},
    {"max_idle", "3y", -1},
    {"max_idle", "m", -1},
    {"max_idle", "1.5h", -1},
    {"max_idle", "2147483647", 2147483647},
    {"max_idle", "2147483648", -1},
    {"max_idle", "9223372036854775807w", -1},
    /* the unit of a bare number is the default's */
    {"maximal_queue_lifetime", "5", 432000},
    {"maximal_queue_lifetime", "100", 8640000},
    {"maximal_queue_lifetime", "101", -1},
    {"delay_warning_time", "4", 14400},
    {"smtpd_helo_required", "yes", 1},
    {"smtpd_helo_required", "no", 0},
    {"smtpd_helo_required", "YES", 1},
    {"smtpd_helo_required", "true", -1},
    {"smtpd_helo_required", "", -1},
    {"mynetworks_style", "class", 0},
    {"mynetworks_style", "host", 2},
    {"mynetworks_style", "hos", -1},
    {"mynetworks_style", "", -1},
    {"syslog_facility", "local7", 19},
    {"inet_protocols", "ipv4, ipv6", 0},
    {"inet_protocols", "ipv4, ipv5", -1},
    {"dns_servers", "", 0},
    {"dns_servers",
	"127.0.0.1, 192.0.2.1:54 ::1 fe80::1%eth0 [fe80::1%2]:54 [::1] [2001:db8::1]:5353", 0},
    {"dns_servers", "fe80::1%", -1},
    {"dns_servers", "127.0.0.1%lo", -1},
    {"dns_servers", "ns.example.org", -1},
    {"dns_servers", "127.0.0.1 192.0.2.256", -1},
    {"dns_servers", "127.0.0.1:", -1},
    {"dns_servers", "127.0.0.1:0", -1},
    {"dns_servers", "127.0.0.1:65536", -1},
    {"dns_servers", "[::1", -1},
    {"dns_servers", "[::1]53", -1},
    {"dns_servers", "[]:53", -1},
    {"dns_servers", "[::1]:", -1},
    {"mailbox_delivery_lock", "fcntl dotlock", 0},
    {"mailbox_delivery_lock", "fcntl dotlok", -1},
    {"queue_directory", "/x", 0},
    {"queue_directory", "x", -1},
    {"queue_directory", "", -1},
};

static int64_t
number_of(const struct conf *c, enum param p)
{
	switch ((enum param_type)param_infos[p].type) {
	case PARAM_BOOL:
		return conf_bool(c, p);
	case PARAM_INT:
	case PARAM_SIZE:
		return conf_int(c, p);
	case PARAM_TIME:
		return conf_time(c, p);
	case PARAM_ENUM:
		return conf_enum(c, p);
	default:
		return 0;
	}
}

static void
test_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		struct buf text = {0}, told = {0}, wrong = {0};
		struct conf *c;
		enum param p;

		buf_printf(
		    &text, "mailbox_size_limit = 0\n%s = %s\n", typed[i].name, typed[i].value);
		buf_printf(&wrong, "error main.cf:2: %s = %s: ", typed[i].name, typed[i].value);
		c = fixture_load(text.data, text.len, NULL, 0, &told);
		assert_true(param_find(str_c(typed[i].name), &p));
		if (typed[i].number >= 0 &&
		    (strstr(buf_cstr(&told), "error") || number_of(c, p) != typed[i].number))
			fail_msg("%s = %s is %lld, told: %s", typed[i].name, typed[i].value,
			    (long long)number_of(c, p), buf_cstr(&told));
		if (typed[i].number < 0 && !strstr(buf_cstr(&told), buf_cstr(&wrong)))
			fail_msg("%s = %s is taken; told: %s", typed[i].name, typed[i].value,
			    buf_cstr(&told));
		/* what is refused leaves the default */
		if (typed[i].number < 0 && param_infos[p].type == PARAM_INT)
			assert_int_not_equal(conf_int(c, p), 0);
		conf_free(&c);
		buf_free(&text);
		buf_free(&told);
		buf_free(&wrong);
	}
}

/* N parameters that each refer to the next: the depth allowed, and one more. */
static void
expect_chain(size_t n, bool fits)
{
	struct buf text = {0}, told = {0};
	struct conf *c;

	buf_puts(&text, "mail_name = $p0\n");
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "p%zu = $p%zu\n", i, i + 1);
	buf_printf(&text, "p%zu = end\n", n);
	c = fixture_load(text.data, text.len, NULL, 0, &told);
	if (fits)
		assert_string_equal(conf_cstr(c, P_mail_name), "end");
	assert_int_equal(strstr(buf_cstr(&told), "more than 100 levels deep") == NULL, fits);
	conf_free(&c);
	buf_free(&text);
	buf_free(&told);
}

/* N levels of ${a?{…}} in one value. */
static void
expect_nesting(size_t n, bool fits)
{
	struct buf text = {0}, told = {0};
	struct conf *c;

	buf_puts(&text, "a = 1\nmail_name = ");
	for (size_t i = 0; i < n; i++)
		buf_puts(&text, "${a?{");
	buf_puts(&text, "end");
	for (size_t i = 0; i < n; i++)
		buf_puts(&text, "}}");
	c = fixture_load(text.data, text.len, NULL, 0, &told);
	if (fits)
		assert_string_equal(conf_cstr(c, P_mail_name), "end");
	assert_int_equal(strstr(buf_cstr(&told), "nested more than 100 levels") == NULL, fits);
	conf_free(&c);
	buf_free(&text);
	buf_free(&told);
}

static void
test_depth(void **state)
{
	(void)state;
	expect_chain(98, true);
	expect_chain(150, false);
	expect_nesting(100, true);
	expect_nesting(101, false);
}

/* A value of 2^N bytes by doubling. */
static void
expect_growth(unsigned n, bool fits)
{
	struct buf text = {0}, told = {0};
	struct conf *c;

	buf_puts(&text, "p0 = x\n");
	for (unsigned i = 1; i <= n; i++)
		buf_printf(&text, "p%u = $p%u$p%u\n", i, i - 1, i - 1);
	/* no default refers to this one, which would grow further */
	buf_printf(&text, "home_mailbox = $p%u\n", n);
	c = fixture_load(text.data, text.len, NULL, 0, &told);
	assert_int_equal(conf_str(c, P_home_mailbox).len == (size_t)1 << n, fits);
	assert_int_equal(strstr(buf_cstr(&told), "grows beyond 1 MiB") == NULL, fits);
	conf_free(&c);
	buf_free(&text);
	buf_free(&told);
}

static void
test_growth(void **state)
{
	(void)state;
	expect_growth(20, true);
	expect_growth(21, false);
}

/* Many values that are allowed one by one. */
static void
test_growth_together(void **state)
{
	struct buf text = {0}, told = {0};
	struct conf *c;

	(void)state;
	buf_puts(&text, "p = ");
	for (int i = 0; i < 1 << 20; i++)
		buf_putc(&text, 'x');
	buf_putc(&text, '\n');
	for (int i = 0; i < 40; i++)
		buf_printf(&text, "q%d = $p\n", i);
	c = fixture_load(text.data, text.len, NULL, 0, &told);
	assert_non_null(strstr(buf_cstr(&told), "all values together grow beyond 16 MiB"));
	conf_free(&c);
	buf_free(&text);
	buf_free(&told);
}

static void
expect_length(size_t len, const char *problems)
{
	struct buf told = {0};
	char *text = mem_alloc(len);
	struct conf *c;

	memset(text, '#', len);
	c = fixture_load(text, len, NULL, 0, &told);
	assert_string_equal(buf_cstr(&told), problems);
	conf_free(&c);
	free(text);
	buf_free(&told);
}

static void
test_file_limits(void **state)
{
	(void)state;
	expect_length((size_t)4 << 20, "");
	expect_length(((size_t)4 << 20) + 1, "error main.cf:0: longer than 4 MiB\n");
}

static void
test_nul(void **state)
{
	struct buf told = {0};
	struct conf *c = fixture_load("mail_name = a\0b\n", 16, NULL, 0, &told);

	(void)state;
	assert_int_equal(
	    strncmp(buf_cstr(&told), "error main.cf:1: a NUL byte in the line: ", 41), 0);
	conf_free(&c);
	buf_free(&told);
}

static void
test_missing(void **state)
{
	struct conf_problems problems = {0};
	struct buf told = {0};
	char *dir = fixture_dir();
	struct conf *c = conf_load(dir, NULL, 0, &problems);

	(void)state;
	fixture_tell(&problems, &told);
	assert_string_equal(buf_cstr(&told),
	    "error main.cf:0: cannot be read: No such file or directory; another "
	    "configuration directory is named by -c or MAIL_CONFIG\n");
	assert_int_equal(problems.errors, 1);
	assert_int_equal(conf_time(c, P_max_idle), 100);
	conf_problems_free(&problems);
	conf_free(&c);
	buf_free(&told);
	fixture_remove(dir);
}

static void
test_directory(void **state)
{
	struct conf_problems problems = {0};
	char *dir = fixture_dir(), here[4096];
	struct conf *c;

	(void)state;
	fixture_write(dir, "main.cf", "mail_name = env\n", 16);
	assert_int_equal(setenv("MAIL_CONFIG", dir, 1), 0);
	c = conf_load(NULL, NULL, 0, &problems);
	assert_string_equal(conf_cstr(c, P_mail_name), "env");
	assert_string_equal(conf_cstr(c, P_config_directory), dir);
	conf_free(&c);
	assert_int_equal(unsetenv("MAIL_CONFIG"), 0);
	c = conf_load(NULL, NULL, 0, &problems);
	assert_string_equal(conf_dir(c), DEFAULT_CONFIG_DIR);
	conf_free(&c);
	conf_problems_free(&problems);
	/* a relative directory is made absolute, since daemons change theirs */
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(dir), 0);
	c = conf_load(".", NULL, 0, &problems);
	assert_int_equal(problems.count, 0);
	assert_int_equal(conf_dir(c)[0], '/');
	conf_free(&c);
	assert_int_equal(chdir(here), 0);
	fixture_remove(dir);
}

static void
test_origin_file(void **state)
{
	struct conf_problems problems = {0};
	struct buf text = {0}, told = {0};
	char *dir = fixture_dir();
	struct conf *c;

	(void)state;
	fixture_write(dir, "mailname", "  mail.example \nmore\n", 21);
	fixture_write(dir, "empty", "\n", 1);
	buf_printf(&text, "myorigin = %s/mailname\n", dir);
	fixture_write(dir, "main.cf", text.data, text.len);
	c = conf_load(dir, NULL, 0, &problems);
	assert_int_equal(problems.count, 0);
	assert_string_equal(conf_cstr(c, P_myorigin), "mail.example");
	conf_free(&c);
	buf_reset(&text);
	buf_printf(&text, "myorigin = %s/empty\nmyhostname = h.example\n", dir);
	fixture_write(dir, "main.cf", text.data, text.len);
	c = conf_load(dir, NULL, 0, &problems);
	fixture_tell(&problems, &told);
	assert_non_null(strstr(buf_cstr(&told), "the first line is empty"));
	assert_string_equal(conf_cstr(c, P_myorigin), "h.example");
	conf_free(&c);
	conf_problems_free(&problems);
	buf_free(&text);
	buf_free(&told);
	fixture_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_growth),
	    cmocka_unit_test(test_growth_together),
	    cmocka_unit_test(test_file_limits),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_missing),
	    cmocka_unit_test(test_directory),
	    cmocka_unit_test(test_origin_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
