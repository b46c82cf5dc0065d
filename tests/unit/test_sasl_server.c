/*
 * test_sasl_server - the client's side of SASL against a server that others wrote: the server side of Cyrus SASL,
 * with accounts in a sasldb of its own
 *
 * The lines go to and fro as in SMTP (RFC 4954). The mechanisms that Cyrus SASL has no server for (OAUTHBEARER,
 * XOAUTH2) are in test_sasl.c, and with Dovecot's server in tests/system/test_tokens.py.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sasl/sasl.h>

#include "lib/base/base64.h"
#include "lib/base/mem.h"
#include "lib/sasl/sasl.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOST "mx.example.org"
#define REALM "example.org"
#define REPLY_MAX 20000

static char *directory;
static struct buf database;

/* --- The server ------------------------------------------------------------------------------ */

static int
option(void *context, const char *plugin, const char *name, const char **value, unsigned *len)
{
	static const char *const options[][2] = {{"auxprop_plugin", "sasldb"},
	    {"pwcheck_method", "auxprop"}, {"mech_list", ""}, {"log_level", "0"}};

	(void)context, (void)plugin;
	*value = strcmp(name, "sasldb_path") == 0 ? buf_cstr(&database) : NULL;
	for (size_t i = 0; i < COUNT(options) && !*value; i++)
		if (strcmp(name, options[i][0]) == 0 && *options[i][1])
			*value = options[i][1];
	if (*value && len)
		*len = (unsigned)strlen(*value);
	return *value ? SASL_OK : SASL_FAIL;
}

static int
quiet(void *context, int level, const char *message)
{
	(void)context, (void)level, (void)message;
	return SASL_OK;
}

typedef int callback(void);
static const sasl_callback_t callbacks[] = {
    {SASL_CB_GETOPT, (callback *)(uintptr_t)option, NULL},
    {SASL_CB_LOG, (callback *)(uintptr_t)quiet, NULL},
    {SASL_CB_LIST_END, NULL, NULL},
};

static void
add_user(const char *user, const char *password)
{
	sasl_conn_t *c = NULL;

	assert_int_equal(
	    sasl_server_new("smtp", HOST, REALM, NULL, NULL, callbacks, 0, &c), SASL_OK);
	assert_int_equal(
	    sasl_setpass(c, user, password, (unsigned)strlen(password), NULL, 0, SASL_SET_CREATE),
	    SASL_OK);
	sasl_dispose(&c);
}

static int
set_up(void **state)
{
	(void)state;
	directory = fixture_dir();
	buf_printf(&database, "%s/sasldb2", directory);
	if (sasl_server_init(callbacks, "postkeep-test") != SASL_OK)
		return 1;
	add_user("alice", "secret");
	add_user("bob", "p\xc3\xa4ssword,with=odd \"signs\\ ");
	add_user("al,i=ce", "x");
	/* As SASLprep makes them: this server compares bytes. */
	add_user("j\xc3\xbcrgen", "IX \xc3\xa4");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sasl_server_done();
	buf_free(&database);
	fixture_remove(directory);
	return 0;
}

/* One line of the client to the server; REPLY gets the server's. */
static void
serve(sasl_conn_t *c, struct str line, bool *begun, struct buf *reply)
{
	struct buf bytes = {0};
	struct str mechanism;
	const char *out = NULL;
	char name[64];
	unsigned n = 0;
	int result;

	buf_reset(reply);
	if (!*begun) {
		assert_true(str_starts(line, STR("AUTH ")));
		line = str_from(line, 5);
		assert_true(str_token(&line, " ", &mechanism) && mechanism.len < sizeof(name));
		memcpy(name, mechanism.data, mechanism.len);
		name[mechanism.len] = '\0';
		line = str_trim(line);
		assert_true(str_eq(line, STR("=")) || base64_decode(line, &bytes));
		result = sasl_server_start(
		    c, name, line.len > 0 ? buf_cstr(&bytes) : NULL, (unsigned)bytes.len, &out, &n);
		*begun = true;
	} else {
		assert_true(base64_decode(line, &bytes));
		result = sasl_server_step(c, buf_cstr(&bytes), (unsigned)bytes.len, &out, &n);
	}
	if (result == SASL_OK) {
		buf_puts(reply, "235 2.7.0 ok");
	} else if (result == SASL_CONTINUE) {
		buf_puts(reply, "334 ");
		base64_encode(str_n(out, n), reply);
	} else {
		buf_printf(reply, "535 5.7.8 %s", sasl_errstring(result, NULL, NULL));
	}
	buf_free(&bytes);
}

/* --- The dialogue ---------------------------------------------------------------------------- */

static struct sasl_login *
client(const char *mechanism, const char *user, const char *password)
{
	struct conf *conf =
	    fixture_load_good("myhostname = mx.example\nsmtp_sasl_security_options =\n", "");
	struct sasl_settings *s = sasl_settings_new(conf, "smtp", NULL);
	struct sasl_account account = {0};
	struct buf why = {0};
	struct sasl_login *l;

	buf_puts(&account.user, user);
	buf_puts(&account.password, password);
	l = sasl_login_new(s, SASL_CHANNEL_CLEAR, str_c(mechanism), STR(HOST), 25, &account, &why);
	if (!l)
		fail_msg("%s: %s", mechanism, buf_cstr(&why));
	sasl_account_clear(&account);
	sasl_settings_free(&s);
	conf_free(&conf);
	return l;
}

/*
 * Runs a login to its end. OUTCOME: "ok NAME" with the name the server knows the client by, "535", or
 * "canceled: why".
 */
static void
log_in(const char *mechanism, const char *user, const char *password, struct buf *outcome)
{
	struct sasl_login *l = client(mechanism, user, password);
	struct buf line = {0}, reply = {0}, why = {0};
	const void *name = NULL;
	bool begun = false, canceled = false;
	sasl_conn_t *c = NULL;

	buf_reset(outcome);
	assert_int_equal(
	    sasl_server_new("smtp", HOST, REALM, NULL, NULL, callbacks, 0, &c), SASL_OK);
	sasl_login_begin(l, &line);
	serve(c, buf_view(&line), &begun, &reply);
	while (!canceled && str_starts(buf_view(&reply), STR("334 "))) {
		buf_reset(&line);
		canceled = sasl_login_step(l, str_from(buf_view(&reply), 4), &line, &why) ==
		    SASL_STEP_CANCEL;
		if (!canceled)
			serve(c, buf_view(&line), &begun, &reply);
	}
	if (canceled)
		buf_printf(outcome, "canceled: %s", buf_cstr(&why));
	else if (!str_starts(buf_view(&reply), STR("235 ")))
		buf_str(outcome, str_sub(buf_view(&reply), 0, 3));
	else if (!sasl_login_done(l, str_from(buf_view(&reply), 4), &why))
		buf_printf(outcome, "unproved: %s", buf_cstr(&why));
	else if (sasl_getprop(c, SASL_USERNAME, &name) == SASL_OK)
		buf_printf(outcome, "ok %s", (const char *)name);
	sasl_dispose(&c);
	sasl_login_free(&l);
	buf_free(&line);
	buf_free(&reply);
	buf_free(&why);
}

static const char *const mechanisms[] = {
    "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};

/* user, password, how it ends */
static const char *const accounts[][3] = {
    {"alice", "secret", "ok alice@example.org"},
    {"alice@example.org", "secret", "ok alice@example.org"},
    {"bob", "p\xc3\xa4ssword,with=odd \"signs\\ ", "ok bob@example.org"},
    {"al,i=ce", "x", "ok al,i=ce@example.org"},
    {"alice", "Secret", "535"},
    {"alice", "", "535"},
    {"nobody", "secret", "535"},
};

static void
test_mechanisms(void **state)
{
	struct buf outcome = {0};

	(void)state;
	for (size_t m = 0; m < COUNT(mechanisms); m++)
		for (size_t i = 0; i < COUNT(accounts); i++) {
			log_in(mechanisms[m], accounts[i][0], accounts[i][1], &outcome);
			if (strcmp(buf_cstr(&outcome), accounts[i][2]) != 0)
				fail_msg("%s for %s, \"%s\": %s", mechanisms[m], accounts[i][0],
				    accounts[i][1], buf_cstr(&outcome));
		}
	buf_free(&outcome);
}

/*
 * A name and a password typed in another form. This server leaves preparing to whoever fills its database, so it
 * takes them from a client that prepares, which only SCRAM's does.
 */
static void
test_prepared(void **state)
{
	static const char user[] = "ju\xcc\x88rgen",
			  password[] = "\xe2\x85\xa8\xc2\xa0"
				       "a\xc2\xad\xcc\x88";
	static const char wanted[] = "ok j\xc3\xbcrgen@example.org";
	struct buf outcome = {0};

	(void)state;
	for (size_t m = 0; m < COUNT(mechanisms); m++) {
		bool scram = strncmp(mechanisms[m], "SCRAM-", 6) == 0;

		log_in(mechanisms[m], "j\xc3\xbcrgen", "IX \xc3\xa4", &outcome);
		assert_string_equal(buf_cstr(&outcome), wanted);
		log_in(mechanisms[m], user, password, &outcome);
		assert_string_equal(buf_cstr(&outcome), scram ? wanted : "535");
	}
	buf_free(&outcome);
}

/* What the server offers, as its EHLO would say: the strongest is chosen, and works. */
static void
test_offered(void **state)
{
	struct buf outcome = {0};
	const char *list = NULL;
	sasl_conn_t *c = NULL;
	struct sasl_login *l;

	(void)state;
	assert_int_equal(
	    sasl_server_new("smtp", HOST, REALM, NULL, NULL, callbacks, 0, &c), SASL_OK);
	assert_int_equal(sasl_listmech(c, NULL, "", " ", "", &list, NULL, NULL), SASL_OK);
	assert_non_null(strstr(list, "SCRAM-SHA-512"));
	l = client(list, "alice", "secret");
	assert_true(str_eq(sasl_login_mechanism(l), STR("SCRAM-SHA-512")));
	sasl_login_free(&l);
	log_in(list, "alice", "secret", &outcome);
	assert_string_equal(buf_cstr(&outcome), "ok alice@example.org");
	sasl_dispose(&c);
	buf_free(&outcome);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mechanisms),
	    cmocka_unit_test(test_prepared),
	    cmocka_unit_test(test_offered),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
