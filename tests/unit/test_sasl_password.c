/*
 * test_sasl_password - who to log in as: by sender, server and next hop; tables that cannot be asked
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/sasl/password.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NAME "myhostname = mx.example\n"

static const char password_file[] = "[relay.example]:587 dest:pw1\n"
				    "mx1.example host:pw2\n"
				    "alice@home.example alice:pw:with:colons\n"
				    "@home.example all:pw4\n"
				    "bare onlyname\n"
				    "mx3.example only:\n"
				    "mx4.example :pw\n";

static const struct {
	bool by_sender;
	const char *sender, *host, *nexthop, *found; /* "user password", "-" */
} searches[] = {
    {false, "", "mx9.example", "[relay.example]:587", "dest pw1"},
    {false, "", "mx9.example", "[RELAY.example]:587", "dest pw1"},
    {false, "", "mx9.example", "[relay.example]", "-"},
    {false, "", "mx9.example", "relay.example", "-"},
    {false, "", "mx1.example", "[relay.example]:587", "host pw2"},
    {false, "alice@home.example", "mx9.example", "other", "-"},
    {true, "alice@home.example", "mx1.example", "other", "alice pw:with:colons"},
    {true, "alice+tag@home.example", "mx1.example", "other", "alice pw:with:colons"},
    {true, "bob@home.example", "mx1.example", "other", "all pw4"},
    {true, "bob@else.example", "mx1.example", "other", "host pw2"},
    {true, "", "mx1.example", "other", "host pw2"},
    {true, "bare", "mx9.example", "other",
	"!smtp_sasl_password_maps: the entry for bare has no password: \"user:password\" is "
	"needed"},
    {false, "", "mx3.example", "other",
	"!smtp_sasl_password_maps: the entry for mx3.example has no password: "
	"\"user:password\" is needed"},
    {true, "x@y", "mx9.example", "mx4.example",
	"!smtp_sasl_password_maps: the entry for mx4.example has no user: "
	"\"user:password\" is needed"},
    {false, "", "", "", "-"},
};

static struct sasl_passwords *
passwords(bool by_sender, const char *maps, struct table_paths *paths)
{
	struct buf text = {0};
	struct sasl_passwords *p;
	struct conf *conf;

	buf_printf(&text,
	    NAME "recipient_delimiter = +\nsmtp_sender_dependent_authentication = %s\n"
		 "smtp_sasl_password_maps = %s\n",
	    by_sender ? "yes" : "no", maps);
	conf = fixture_load_good(buf_cstr(&text), "");
	p = sasl_passwords_new(conf, "smtp", paths);
	conf_free(&conf);
	buf_free(&text);
	return p;
}

static void
test_passwords(void **state)
{
	char *dir = fixture_dir();
	struct buf maps = {0};

	(void)state;
	fixture_write(dir, "sasl_passwd", password_file, strlen(password_file));
	buf_printf(&maps, "texthash:%s/sasl_passwd", dir);
	for (size_t i = 0; i < COUNT(searches); i++) {
		struct table_paths paths = {0};
		struct sasl_passwords *p =
		    passwords(searches[i].by_sender, buf_cstr(&maps), &paths);
		struct sasl_account account = {0};
		struct buf why = {0}, got = {0};
		enum table_status status;

		assert_int_equal(paths.count, 1);
		assert_true(str_ends_nocase(str_c(paths.list[0]), STR("/sasl_passwd")));
		status = sasl_passwords_find(p, str_c(searches[i].sender), str_c(searches[i].host),
		    str_c(searches[i].nexthop), &account, &why);
		if (status == TABLE_FOUND)
			buf_printf(&got, "%.*s %.*s", STR_ARG(buf_view(&account.user)),
			    STR_ARG(buf_view(&account.password)));
		else
			buf_printf(&got, "%s%s", status == TABLE_ERROR ? "!" : "-", buf_cstr(&why));
		assert_string_equal(buf_cstr(&got), searches[i].found);
		assert_int_equal(why.len > 0, status == TABLE_ERROR);
		buf_free(&why);
		sasl_account_clear(&account);
		buf_free(&got);
		table_paths_free(&paths);
		sasl_passwords_free(&p);
	}
	buf_free(&maps);
	fixture_remove(dir);
}

/* Tables that cannot be asked: the message waits, and the cause has the parameter. */
static void
test_passwords_broken(void **state)
{
	static const char *const rows[][2] = {
	    {"texthash:/nonexistent/sasl_passwd",
		"smtp_sasl_password_maps: table texthash:/nonexistent/sasl_passwd: "
		"/nonexistent/sasl_passwd: No such file"},
	    {"hash:/nonexistent/sasl_passwd", "smtp_sasl_password_maps: table hash:/nonexistent/"},
	    {"nosuch:x", "smtp_sasl_password_maps: unsupported table type"},
	    {"proxy:mysql:/x",
		"smtp_sasl_password_maps: table proxy:mysql:/x: private/proxymap-smtp"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sasl_passwords *p = passwords(false, rows[i][0], NULL);
		struct sasl_account account = {0};
		struct buf why = {0};

		assert_int_equal(
		    sasl_passwords_find(p, STR_EMPTY, STR("mx"), STR("x"), &account, &why),
		    TABLE_ERROR);
		if (!strstr(buf_cstr(&why), rows[i][1]))
			fail_msg("%s: %s", rows[i][0], buf_cstr(&why));
		buf_free(&why);
		sasl_passwords_free(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_passwords),
	    cmocka_unit_test(test_passwords_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
