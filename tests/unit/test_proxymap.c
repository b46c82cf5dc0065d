/* test_proxymap - which tables may be asked for, and what is answered */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/fiber/fiber.h"
#include "proxymap/tables.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct conf *
load(const char *text)
{
	struct buf told = {0};
	struct conf *c = fixture_load(text, strlen(text), NULL, 0, &told);

	buf_free(&told);
	return c;
}

static void
allowed(void **state)
{
	static const struct {
		const char *table, *param;
		bool ok;
	} cases[] = {
	    {"unix:passwd.byname", "local_recipient_maps", true},
	    {"unix:passwd.byname", "", true}, /* proxy_read_maps holds $local_recipient_maps */
	    {"texthash:/etc/mine", "smtpd_client_restrictions", true},
	    {"texthash:/etc/mine", "my_own_parameter", true},
	    {"texthash:/etc/mine", "local_recipient_maps", true}, /* again by proxy_read_maps */
	    {"texthash:/etc/secret", "my_own_parameter", true},
	    {"texthash:/etc/secret", "local_recipient_maps", false},
	    {"texthash:/etc/secret", "", false},
	    {"texthash:/etc/secret", "no_such_parameter", false},
	    {"texthash:/etc/shadow", "my_own_parameter", false},
	    {"texthash:/etc/min", "my_own_parameter", false},
	    {"proxy:unix:passwd.byname", "local_recipient_maps", false},
	    {"check_client_access", "smtpd_client_restrictions", false},
	    {"", "local_recipient_maps", false},
	    {"", "", false},
	};
	struct conf *c = load("local_recipient_maps = proxy:unix:passwd.byname\n"
			      "smtpd_client_restrictions = check_client_access texthash:/etc/mine\n"
			      "my_own_parameter = texthash:/etc/mine, proxy:texthash:/etc/secret\n"
			      "alias_maps =\n");
	struct tables *t = tables_new(c);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (tables_allowed(t, TABLES_SUITE, str_c(cases[i].table), str_c(cases[i].param)) !=
		    cases[i].ok)
			fail_msg("%s for %s", cases[i].table, cases[i].param);
	tables_free(&t);
	conf_free(&c);
}

/* What a stranger who has taken over smtpd may ask. */
static void
allowed_to_network(void **state)
{
	static const struct {
		const char *table, *param;
		bool ok;
	} cases[] = {
	    {"unix:passwd.byname", "local_recipient_maps", true},
	    {"unix:passwd.byname", "", false},
	    {"unix:passwd.byname", "alias_maps", false},
	    {"texthash:/etc/relays", "relay_domains", true},
	    {"texthash:/etc/relays", "relay_recipient_maps", true}, /* by proxy_read_maps */
	    {"texthash:/etc/relays", "transport_maps", false},
	    {"texthash:/etc/aliases", "alias_maps", false},
	    {"texthash:/etc/passwords", "smtp_sasl_password_maps", false},
	    {"texthash:/etc/mine", "my_own_parameter", false},
	    {"texthash:/etc/mine", "relay_domains", false},
	    {"texthash:/etc/shadow", "relay_domains", false},
	    {"proxy:texthash:/etc/relays", "relay_domains", false},
	    {"", "relay_domains", false},
	};
	struct conf *c = load("local_recipient_maps = proxy:unix:passwd.byname\n"
			      "relay_domains = example.net, texthash:/etc/relays\n"
			      "smtp_sasl_password_maps = texthash:/etc/passwords\n"
			      "my_own_parameter = texthash:/etc/mine\n"
			      "alias_maps = texthash:/etc/aliases\n");
	struct tables *t = tables_new(c);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (tables_allowed(t, TABLES_NETWORK, str_c(cases[i].table),
			str_c(cases[i].param)) != cases[i].ok)
			fail_msg("%s for %s", cases[i].table, cases[i].param);
	assert_true(tables_tell_value(TABLES_SUITE));
	assert_false(tables_tell_value(TABLES_NETWORK));
	tables_free(&t);
	conf_free(&c);
}

/* The SMTP client is told values, of tables that a parameter of its own names. */
static void
test_smtp(void **state)
{
	static const struct {
		const char *table, *param;
		bool ok;
	} cases[] = {
	    {"mysql:/etc/passwords", "smtp_sasl_password_maps", true},
	    {"mysql:/etc/passwords", "lmtp_sasl_password_maps", false},
	    {"mysql:/etc/passwords", "smtp_generic_maps", false},
	    {"mysql:/etc/generic", "smtp_generic_maps", true},
	    {"mysql:/etc/generic", "generic_maps", false},
	    {"mysql:/etc/policy", "smtp_tls_policy_maps", true},
	    {"mysql:/etc/policy", "lmtp_tls_policy_maps", true},
	    {"texthash:/etc/aliases", "alias_maps", false},
	    {"texthash:/etc/aliases", "smtp_generic_maps", false},
	    {"texthash:/etc/mine", "smtp_generic_maps", false}, /* in proxy_read_maps alone */
	    {"texthash:/etc/mine", "proxy_read_maps", false},
	    {"unix:passwd.byname", "local_recipient_maps", false},
	    {"static:x", "smtp_helo_name", false},
	    {"static:x", "smtp_", false},
	    {"", "smtp_generic_maps", false},
	    {"mysql:/etc/generic", "", false},
	};
	struct conf *c = load("local_recipient_maps = proxy:unix:passwd.byname\n"
			      "smtp_sasl_password_maps = proxy:mysql:/etc/passwords\n"
			      "smtp_generic_maps = inline:{a=b}, mysql:/etc/generic\n"
			      "smtp_tls_policy_maps = mysql:/etc/policy\n"
			      "lmtp_tls_policy_maps = $smtp_tls_policy_maps\n"
			      "smtp_helo_name = mx.example static:x\n"
			      "proxy_read_maps = texthash:/etc/mine\n"
			      "alias_maps = texthash:/etc/aliases\n");
	struct tables *t = tables_new(c);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (tables_allowed(t, TABLES_SMTP, str_c(cases[i].table), str_c(cases[i].param)) !=
		    cases[i].ok)
			fail_msg("%s for %s", cases[i].table, cases[i].param);
	assert_true(tables_tell_value(TABLES_SMTP));
	tables_free(&t);
	conf_free(&c);
}

struct asked {
	struct tables *tables;
	const char *dir;
};

static enum table_status
ask(struct tables *t, const char *table, const char *key, const char *value)
{
	struct msg_lookup request = {str_c(table), STR_EMPTY, str_c(key)};
	struct buf got = {0}, why = {0};
	enum table_status status = tables_lookup(t, &request, &got, &why);

	if (status == TABLE_FOUND)
		assert_string_equal(buf_cstr(&got), value);
	if (status == TABLE_ERROR)
		assert_true(why.len > 0);
	buf_free(&got);
	buf_free(&why);
	return status;
}

static void
look_ups_in_loop(void *arg)
{
	struct asked *a = arg;
	struct buf spec = {0};

	assert_int_equal(ask(a->tables, "inline:{k=v}", "k", "v"), TABLE_FOUND);
	assert_int_equal(ask(a->tables, "inline:{k=v}", "K", "v"), TABLE_FOUND);
	assert_int_equal(ask(a->tables, "inline:{k=v}", "x", ""), TABLE_NOT_FOUND);
	assert_int_equal(
	    ask(a->tables, "unix:passwd.byname", "no-such-user-here", ""), TABLE_NOT_FOUND);
	assert_int_equal(ask(a->tables, "nonsense:x", "k", ""), TABLE_ERROR);
	buf_printf(&spec, "texthash:%s/absent", a->dir);
	assert_int_equal(ask(a->tables, buf_cstr(&spec), "k", ""), TABLE_ERROR);
	buf_reset(&spec);
	buf_printf(&spec, "texthash:%s/table", a->dir);
	fixture_write(a->dir, "table", "k v\n", 4);
	assert_int_equal(ask(a->tables, buf_cstr(&spec), "k", "v"), TABLE_FOUND);
	assert_int_equal(ask(a->tables, buf_cstr(&spec), "x", ""), TABLE_NOT_FOUND);
	buf_free(&spec);
}

static void
look_ups(void **state)
{
	struct conf *c = load("");
	char *dir = fixture_dir();
	struct asked a = {tables_new(c), dir};

	(void)state;
	fiber_main(look_ups_in_loop, &a);
	tables_free(&a.tables);
	fixture_remove(dir);
	conf_free(&c);
}

/* Many at once, in a table that has state and in one that has none. */
#define AT_ONCE 40
static char inline_spec[] = "inline:{k=v}", unix_spec[] = "unix:passwd.byname";
static struct {
	struct tables *tables;
	struct fiber_waitq done;
	size_t left, found;
} at_once;

static void
one_of_many(void *arg)
{
	const char *table = arg;
	bool users = strncmp(table, "unix:", 5) == 0;
	struct msg_lookup request = {str_c(table), STR_EMPTY, users ? STR("root") : STR("k")};
	struct buf got = {0}, why = {0};

	if (tables_lookup(at_once.tables, &request, &got, &why) == TABLE_FOUND)
		at_once.found++;
	at_once.left--;
	buf_free(&got);
	buf_free(&why);
	fiber_wake_all(&at_once.done);
}

static void
many_in_loop(void *arg)
{
	(void)arg;
	fiber_waitq_init(&at_once.done);
	for (size_t i = 0; i < AT_ONCE; i++)
		fiber_spawn("ask", one_of_many, i % 2 ? inline_spec : unix_spec);
	while (at_once.left > 0)
		if (fiber_wait(&at_once.done, fiber_after(10000)) != FIBER_OK)
			return;
}

static void
many_at_once(void **state)
{
	struct conf *c = load("");

	(void)state;
	at_once.tables = tables_new(c);
	at_once.left = AT_ONCE;
	at_once.found = 0;
	fiber_main(many_in_loop, NULL);
	assert_int_equal(at_once.left, 0);
	assert_int_equal(at_once.found, AT_ONCE);
	tables_free(&at_once.tables);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(allowed),
	    cmocka_unit_test(test_smtp),
	    cmocka_unit_test(allowed_to_network),
	    cmocka_unit_test(look_ups),
	    cmocka_unit_test(many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
