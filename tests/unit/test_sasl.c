/*
 * test_sasl - the client's side of SASL: the vectors of the RFCs, choice of mechanisms, bounds, servers that
 * lie; and look-ups of passwords. test_sasl_server.c talks to a server that others wrote.
 */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "lib/base/base64.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/sasl/sasl.h"
#include "lib/sasl/sasl_private.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NAME "myhostname = mx.example\n"
#define ALL NAME "smtp_sasl_security_options =\n"

static struct sasl_settings *
settings(const char *main_cf)
{
	struct conf_problems problems = {0};
	struct conf *conf = conf_load_text("/nonexistent", str_c(main_cf), NULL, 0, &problems);
	struct sasl_settings *s = sasl_settings_new(conf, "smtp", NULL);

	assert_int_equal(problems.errors, 0);
	conf_problems_free(&problems);

	conf_free(&conf);
	return s;
}

static struct sasl_login *
login_at(const struct sasl_settings *s, const char *offered, const char *user, const char *password,
    struct buf *why)
{
	struct sasl_account account = {0};
	struct sasl_login *l;

	buf_puts(&account.user, user);
	buf_puts(&account.password, password);
	l = sasl_login_new(
	    s, SASL_CHANNEL_CLEAR, str_c(offered), STR("mx.example"), 587, &account, why);
	sasl_account_clear(&account);
	assert_null(account.user.data);
	return l;
}

/* A login by MECHANISM, with no restrictions. */
static struct sasl_login *
login_by(const char *mechanism, const char *user, const char *password)
{
	struct sasl_settings *s = settings(ALL);
	struct buf why = {0};
	struct sasl_login *l = login_at(s, mechanism, user, password, &why);

	if (!l)
		fail_msg("%s: %s", mechanism, buf_cstr(&why));
	buf_free(&why);
	sasl_settings_free(&s);
	return l;
}

/* The AUTH line, and what its initial response decodes to ("-": none); NUL is shown as "|". */
static void
expect_begin(struct sasl_login *l, const char *name, const char *first)
{
	struct buf line = {0}, bytes = {0};
	struct str rest, word;

	sasl_login_begin(l, &line);
	assert_true(line.len <= 510);
	rest = buf_view(&line);
	assert_true(str_token(&rest, " ", &word) && str_eq(word, STR("AUTH")));
	assert_true(str_token(&rest, " ", &word) && str_eq(word, str_c(name)));
	if (str_token(&rest, " ", &word))
		assert_true(str_eq(word, STR("=")) || base64_decode(word, &bytes));
	else
		buf_putc(&bytes, '-');
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i] == '\0')
			bytes.data[i] = '|';
	assert_string_equal(buf_cstr(&bytes), first);
	buf_free(&line);
	buf_free(&bytes);
}

/* CHALLENGE is encoded and sent. "answer" decoded, or "!why" after a cancel. */
static void
expect_step(struct sasl_login *l, const char *challenge, const char *answer)
{
	struct buf text = {0}, line = {0}, why = {0}, got = {0};

	base64_encode(str_c(challenge), &text);
	if (sasl_login_step(l, buf_view(&text), &line, &why) == SASL_STEP_ANSWER) {
		assert_true(base64_decode(buf_view(&line), &got));
		for (size_t i = 0; i < got.len; i++)
			if (got.data[i] == '\0')
				got.data[i] = '|';
		assert_int_equal(why.len, 0);
	} else {
		assert_string_equal(buf_cstr(&line), "*");
		buf_printf(&got, "!%s", buf_cstr(&why));
	}
	assert_string_equal(buf_cstr(&got), answer);
	buf_free(&text);
	buf_free(&line);
	buf_free(&why);
	buf_free(&got);
}

/* "" for yes, or why not. */
static void
expect_done(struct sasl_login **l, const char *text, const char *cause)
{
	struct buf why = {0};
	bool ok = sasl_login_done(*l, str_c(text), &why);

	assert_int_equal(ok, *cause == '\0');
	assert_string_equal(buf_cstr(&why), cause);
	buf_free(&why);
	sasl_login_free(l);
	assert_null(*l);
}

/* --- Vectors --------------------------------------------------------------------------------- */

static void
test_plain(void **state)
{
	struct sasl_login *l = login_by("PLAIN", "tim", "tanstaaftanstaaf");

	(void)state;
	expect_begin(l, "PLAIN", "|tim|tanstaaftanstaaf"); /* RFC 4616 section 4 */
	expect_done(&l, "2.7.0 ok", "");
}

static void
test_login(void **state)
{
	struct sasl_login *l = login_by("login", "tim", "secret");

	(void)state;
	expect_begin(l, "LOGIN", "-");
	expect_step(l, "Username:", "tim");
	expect_step(l, "Password:", "secret");
	expect_step(l, "Once more:", "!the server asks again after everything was said");
	expect_done(&l, "ok", "the server says yes to a login that was canceled");
}

static void
test_cram_md5(void **state)
{
	struct sasl_login *l = login_by("CRAM-MD5", "tim", "tanstaaftanstaaf");

	(void)state;
	expect_begin(l, "CRAM-MD5", "-"); /* RFC 2195 section 2 */
	expect_step(l, "<1896.697170952@postoffice.reston.mci.net>",
	    "tim b913a602c7eda7a495b4e6e7334d3890");
	expect_done(&l, "ok", "");
}

static void
test_digest_md5(void **state)
{
	static const char challenge[] =
	    "realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\","
	    "algorithm=md5-sess,charset=utf-8";
	static const char answer[] =
	    "charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\",nonce="
	    "\"OA6MG9tEQGm2hh\","
	    "nc=00000001,cnonce=\"OA6MHXh6VqTrRk\",digest-uri=\"imap/elwood.innosoft.com\","
	    "response=d388dad90d4bbd760a152321f2143af7,qop=auth";
	static const char *const finals[][2] = {
	    {"rspauth=ea40f60335c427b5527b84dbabcdfffd", ""},
	    {"rspauth=ea40f60335c427b5527b84dbabcdfffe",
		"the server does not know the password: its answer is wrong"},
	    {"rspauth=ea40", "the server does not know the password: its answer is wrong"},
	    {"", "the server does not know the password: its answer is wrong"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(finals); i++) { /* RFC 2831 section 4 */
		struct sasl_login *l = login_by("DIGEST-MD5", "chris", "secret");
		struct buf refused = {0};

		free(l->service);
		l->service = mem_strdup("imap");
		free(l->host);
		l->host = mem_strdup("elwood.innosoft.com");
		sasl_fix_nonce(l, STR("OA6MHXh6VqTrRk"));
		expect_begin(l, "DIGEST-MD5", "-");
		expect_step(l, challenge, answer);
		if (*finals[i][1])
			buf_printf(&refused, "!%s", finals[i][1]);
		expect_step(l, finals[i][0], buf_cstr(&refused));
		expect_done(&l, "ok",
		    *finals[i][1] ? "the server says yes to a login that was canceled" : "");
		buf_free(&refused);
	}
}

static const struct {
	const char *mechanism, *nonce, *server_first, *client_final, *server_final;
} scrams[] = {
    /* RFC 5802 section 5 */
    {"SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL",
	"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
	"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    /* RFC 7677 section 3 */
    {"SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO",
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

static struct sasl_login *
scram_login(size_t i)
{
	struct sasl_login *l = login_by(scrams[i].mechanism, "user", "pencil");
	struct buf first = {0};

	sasl_fix_nonce(l, str_c(scrams[i].nonce));
	buf_printf(&first, "n,,n=user,r=%s", scrams[i].nonce);
	expect_begin(l, scrams[i].mechanism, buf_cstr(&first));
	buf_free(&first);
	return l;
}

static void
test_scram(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scrams); i++) {
		struct sasl_login *l = scram_login(i);
		struct buf text = {0};

		expect_step(l, scrams[i].server_first, scrams[i].client_final);
		expect_step(l, scrams[i].server_final, "");
		expect_done(&l, "ok", "");

		/* The proof in the last reply, as some servers send it. */
		l = scram_login(i);
		expect_step(l, scrams[i].server_first, scrams[i].client_final);
		buf_puts(&text, "2.7.0 ");
		base64_encode(str_c(scrams[i].server_final), &text);
		expect_done(&l, buf_cstr(&text), "");
		buf_free(&text);

		/* No proof; a false one. */
		l = scram_login(i);
		expect_step(l, scrams[i].server_first, scrams[i].client_final);
		assert_false(sasl_login_done(l, STR("2.7.0 ok"), &text));
		assert_non_null(strstr(buf_cstr(&text), "without the proof"));
		buf_free(&text);
		expect_step(
		    l, "v=AAAA", "!the server does not know the password: its signature is wrong");
		sasl_login_free(&l);

		l = scram_login(i);
		expect_step(l, scrams[i].server_first, scrams[i].client_final);
		expect_step(l, "e=invalid-proof", "!the server says: invalid-proof");
		sasl_login_free(&l);
	}
}

static void
test_scram_hostile(void **state)
{
	static const char *const rows[][2] = {
	    {"", "not one of SCRAM"},
	    {"r=fyko+d2lbbFgONRv9qkxdawLx", "not one of SCRAM"},
	    {"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92", "not one of SCRAM"},
	    {"m=x,r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=1", "not one of SCRAM"},
	    {"r=fyko+d2lbbFgONRv9qkxdawLx,s=,i=1", "not one of SCRAM"},
	    {"r=fyko+d2lbbFgONRv9qkxdawLx,s=Q,i=1", "not one of SCRAM"},
	    {"r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=1", "not made of the client's"},
	    {"r=other,s=QSXCR+Q6sek8bf92,i=1", "not made of the client's"},
	    {"r=fyko+d2lbbFgONRv9qkxdawL\r\nX,s=QSXCR+Q6sek8bf92,i=1", "not made of the client's"},
	    {"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=0", "asks for 0 iterations"},
	    {"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=-1", "asks for -1 iterations"},
	    {"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=1000001", "asks for 1000001"},
	    {"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=99999999999999999999999",
		"asks for 99999999999999999999 iterations"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sasl_login *l = scram_login(0);
		struct buf text = {0}, line = {0}, why = {0};

		base64_encode(str_c(rows[i][0]), &text);
		assert_int_equal(
		    sasl_login_step(l, buf_view(&text), &line, &why), SASL_STEP_CANCEL);
		assert_string_equal(buf_cstr(&line), "*");
		if (!strstr(buf_cstr(&why), rows[i][1]))
			fail_msg("\"%s\": %s", rows[i][0], buf_cstr(&why));
		buf_free(&text);
		buf_free(&line);
		buf_free(&why);
		sasl_login_free(&l);
	}
}

/* SCRAM prepares, other mechanisms send what they are given; none is taken instead of SCRAM. */
static void
test_prepared_accounts(void **state)
{
	static const char offered[] = "SCRAM-SHA-1 PLAIN";
	struct sasl_settings *s = settings(ALL);
	struct sasl_login *l;
	struct buf why = {0};

	(void)state;
	/* The vector of RFC 5802 with "pencil" in letters of double width, and a soft hyphen in the name. */
	l = login_by("SCRAM-SHA-1",
	    "us\xc2\xad"
	    "er",
	    "\xef\xbd\x90\xef\xbd\x85\xef\xbd\x8e\xef\xbd\x83\xef\xbd\x89\xef\xbd\x8c");
	sasl_fix_nonce(l, str_c(scrams[0].nonce));
	expect_begin(l, "SCRAM-SHA-1", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
	expect_step(l, scrams[0].server_first, scrams[0].client_final);
	sasl_login_free(&l);
	l = login_by("PLAIN",
	    "us\xc2\xad"
	    "er",
	    "\xe4\xc2\xaa");
	expect_begin(l, "PLAIN",
	    "|us\xc2\xad"
	    "er|\xe4\xc2\xaa");
	sasl_login_free(&l);
	assert_null(login_at(s, offered, "user", "p\xe4ss", &why));
	assert_string_equal(buf_cstr(&why), "SCRAM-SHA-1: the password is not in UTF-8");
	buf_reset(&why);
	assert_null(login_at(s, offered,
	    "us\xee\x80\x80"
	    "er",
	    "x", &why));
	assert_string_equal(buf_cstr(&why),
	    "SCRAM-SHA-1: the login name has a character that SASLprep (RFC 4013) prohibits");
	sasl_settings_free(&s);
	buf_free(&why);
}

static void
test_names_escaped(void **state)
{
	struct sasl_login *l = login_by("SCRAM-SHA-1", "a,b=c", "x");

	(void)state;
	sasl_fix_nonce(l, STR("abc"));
	expect_begin(l, "SCRAM-SHA-1", "n,,n=a=2Cb=3Dc,r=abc");
	sasl_login_free(&l);
	l = login_by("OAUTHBEARER", "a,b=c", "t");
	expect_begin(l, "OAUTHBEARER",
	    "n,a=a=2Cb=3Dc,\001host=mx.example\001port=587\001auth=Bearer t\001\001");
	sasl_login_free(&l);
}

static void
test_tokens(void **state)
{
	static const char token[] = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
	struct sasl_login *l = login_by("OAUTHBEARER", "user@example.com", token);
	struct buf line = {0};

	(void)state;
	free(l->host);
	l->host = mem_strdup("server.example.com");
	sasl_login_begin(l, &line);
	/* RFC 7628 section 4.1 */
	assert_string_equal(buf_cstr(&line),
	    "AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2Vy"
	    "dmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRmd"
	    "DRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
	/* Section 4.4: the error, and the dummy answer. */
	expect_step(l, "{\"status\":\"invalid_token\"}", "\001");
	buf_free(&line);
	sasl_login_error(l, &line);
	assert_string_equal(buf_cstr(&line), "{\"status\":\"invalid_token\"}");
	expect_step(l, "again", "!the server asks again after everything was said");
	buf_free(&line);
	sasl_login_free(&l);

	l = login_by("XOAUTH2", "someuser@example.com", "ya29.vF9dft4");
	expect_begin(l, "XOAUTH2", "user=someuser@example.com\001auth=Bearer ya29.vF9dft4\001\001");
	expect_step(l, "{\"status\":\"401\"}\r\n250 x", "");
	sasl_login_error(l, &line);
	assert_string_equal(buf_cstr(&line), "{\"status\":\"401\"}??250 x");
	buf_free(&line);
	sasl_login_free(&l);
}

/* --- Details --------------------------------------------------------------------------------- */

static void
test_realms(void **state)
{
	static const struct {
		const char *user, *challenge, *begin;
	} rows[] = {
	    {"a", "realm=\"x\",realm=\"y\",nonce=\"n\",algorithm=md5-sess",
		"username=\"a\",realm=\"x\",nonce=\"n\""},
	    {"a@y", "realm=\"x\" , realm=\"y\",nonce=n,algorithm=md5-sess",
		"username=\"a\",realm=\"y\",nonce=\"n\""},
	    {"a@Z", "realm=\"x\",nonce=\"n\",algorithm=md5-sess,qop=\"auth-int, auth\"",
		"username=\"a@Z\",realm=\"x\",nonce=\"n\""},
	    {"a@Z", "nonce=\"n\",algorithm=md5-sess,charset=utf-8",
		"charset=utf-8,username=\"a@Z\",nonce=\"n\""},
	    {"a\"b\\c", "realm=\"\\\"r\\\\\",nonce=\"n\",algorithm=MD5-sess",
		"username=\"a\\\"b\\\\c\",realm=\"\\\"r\\\\\",nonce=\"n\""},
	    {"a", "realm=\"x\"", "!"},
	    {"a", "nonce=\"n\",nonce=\"m\",algorithm=md5-sess", "!"},
	    {"a", "nonce=\"\",algorithm=md5-sess", "!"},
	    {"a", "nonce=\"n\"", "!"},
	    {"a", "nonce=\"n\",algorithm=md5-sess,qop=\"auth-conf\"", "!"},
	    {"a", "nonce=\"n,algorithm=md5-sess", "!"},
	    {"a", "nonce", "!"},
	    {"a", ",,,=x", "!"},
	    {"a", "nonce=\"n\\", "!"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sasl_login *l = login_by("DIGEST-MD5", rows[i].user, "secret");
		struct buf text = {0}, line = {0}, why = {0}, got = {0};

		expect_begin(l, "DIGEST-MD5", "-");
		base64_encode(str_c(rows[i].challenge), &text);
		if (sasl_login_step(l, buf_view(&text), &line, &why) == SASL_STEP_CANCEL)
			buf_printf(&got, "!%s", buf_cstr(&why));
		else
			assert_true(base64_decode(buf_view(&line), &got));
		if (!str_starts(buf_view(&got), str_c(rows[i].begin)))
			fail_msg("%s: %s", rows[i].challenge, buf_cstr(&got));
		buf_free(&text);
		buf_free(&line);
		buf_free(&why);
		buf_free(&got);
		sasl_login_free(&l);
	}
}

/* The AUTH line has at most 512 bytes with CRLF; a longer first response is sent when it is asked for. */
static void
test_long_first(void **state)
{
	(void)state;
	for (size_t len = 360; len < 380; len++) {
		char password[400];
		struct sasl_login *l;
		struct buf line = {0}, why = {0}, bytes = {0};

		memset(password, 'p', len);
		password[len] = '\0';
		l = login_by("PLAIN", "user", password);
		sasl_login_begin(l, &line);
		assert_true(line.len <= 510);
		/* 11 bytes for the command, then four for each three of NUL user NUL password. */
		assert_int_equal(
		    line.len > strlen("AUTH PLAIN"), 11 + (len + 6 + 2) / 3 * 4 <= 510);
		if (line.len == strlen("AUTH PLAIN")) {
			buf_reset(&line);
			assert_int_equal(
			    sasl_login_step(l, STR("Go on!"), &line, &why), SASL_STEP_ANSWER);
			assert_true(base64_decode(buf_view(&line), &bytes));
			assert_int_equal(bytes.len, len + 6);
		}
		assert_int_equal(sasl_login_step(l, STR_EMPTY, &line, &why), SASL_STEP_CANCEL);
		buf_free(&line);
		buf_free(&bytes);
		buf_free(&why);
		sasl_login_free(&l);
	}
}

static void
test_challenge_bounds(void **state)
{
	char *text = mem_alloc(SASL_LINE_MAX + 4);
	struct buf line = {0}, why = {0};

	(void)state;
	memset(text, 'A', SASL_LINE_MAX + 4);
	for (size_t extra = 0; extra <= 4; extra += 4) {
		struct sasl_login *l = login_by("CRAM-MD5", "u", "p");

		sasl_login_begin(l, &line);
		buf_reset(&line);
		assert_int_equal(
		    sasl_login_step(l, str_n(text, SASL_LINE_MAX + extra), &line, &why),
		    extra ? SASL_STEP_CANCEL : SASL_STEP_ANSWER);
		sasl_login_free(&l);
		buf_reset(&line);
	}
	for (size_t i = 0; i < 2; i++) {
		struct sasl_login *l = login_by("CRAM-MD5", "u", "p");

		sasl_login_begin(l, &line);
		buf_reset(&line);
		buf_reset(&why);
		assert_int_equal(sasl_login_step(l, i ? STR("no base64") : STR("QQ="), &line, &why),
		    SASL_STEP_CANCEL);
		assert_string_equal(buf_cstr(&why), "the server's challenge is not in base64");
		sasl_login_free(&l);
	}
	buf_free(&line);
	buf_free(&why);
	free(text);
}

/* --- Choice ---------------------------------------------------------------------------------- */

static const struct {
	const char *main_cf, *offered, *chosen; /* or "!what the cause has" */
} choices[] = {
    {"", "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5", "SCRAM-SHA-256"},
    {"", "LOGIN CRAM-MD5 scram-sha-1 DIGEST-MD5", "SCRAM-SHA-1"},
    {"", "PLAIN LOGIN CRAM-MD5 DIGEST-MD5", "DIGEST-MD5"},
    {"", "PLAIN LOGIN CRAM-MD5", "CRAM-MD5"},
    {"", "SCRAM-SHA-256-PLUS CRAM-MD5", "CRAM-MD5"},
    {"", "PLAIN LOGIN", "!smtp_sasl_security_options = noplaintext, noanonymous"},
    {"", "PLAIN LOGIN", "!without noplaintext"},
    {"", "GSSAPI NTLM ANONYMOUS", "!the server offers \"GSSAPI NTLM ANONYMOUS\", of which none"},
    {"", "", "!of which none is known"},
    {"", "\001\r\n", "!offers \"???\""},
    {"smtp_sasl_security_options =", "XOAUTH2 OAUTHBEARER LOGIN PLAIN", "PLAIN"},
    {"smtp_sasl_security_options =", "XOAUTH2 LOGIN", "LOGIN"},
    {"smtp_sasl_security_options = noanonymous", "ANONYMOUS LOGIN", "LOGIN"},
    {"smtp_sasl_security_options = noanonymous", "PLAIN", "PLAIN"},
    {"smtp_sasl_security_options = noanonymous", "ANONYMOUS", "!none is known"},
    {"smtp_sasl_security_options = mutual_auth", "CRAM-MD5 DIGEST-MD5", "DIGEST-MD5"},
    {"smtp_sasl_security_options = noactive", "CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1", "SCRAM-SHA-1"},
    {"smtp_sasl_security_options = noactive", "DIGEST-MD5", "!leaves none of that"},
    {"smtp_sasl_security_options = nodictionary", "SCRAM-SHA-256", "!leaves none of that"},
    {"smtp_sasl_security_options = forward_secrecy", "SCRAM-SHA-256", "!leaves none of that"},
    {"smtp_sasl_mechanism_filter = plain, login\nsmtp_sasl_security_options =", "CRAM-MD5 LOGIN",
	"LOGIN"},
    {"smtp_sasl_mechanism_filter = !cram-md5, static:rest", "CRAM-MD5 DIGEST-MD5", "DIGEST-MD5"},
    {"smtp_sasl_mechanism_filter = xoauth2\nsmtp_sasl_security_options =", "PLAIN XOAUTH2",
	"XOAUTH2"},
    {"smtp_sasl_mechanism_filter = gssapi", "CRAM-MD5 DIGEST-MD5",
	"!smtp_sasl_mechanism_filter lets none of them through"},
    {"smtp_sasl_mechanism_filter = /nonexistent/list", "CRAM-MD5",
	"!smtp_sasl_mechanism_filter: /nonexistent/list: No such file"},
    {"smtp_sasl_mechanism_filter = texthash:/nonexistent/list", "CRAM-MD5", "!/nonexistent/list"},
};

static void
test_choice(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(choices); i++) {
		struct buf text = {0}, why = {0};
		struct sasl_settings *s;
		struct sasl_login *l;

		buf_printf(&text, NAME "%s\n", choices[i].main_cf);
		s = settings(buf_cstr(&text));
		l = login_at(s, choices[i].offered, "u", "p", &why);
		if (l && !str_eq(sasl_login_mechanism(l), str_c(choices[i].chosen)))
			fail_msg("%s: %.*s was chosen", choices[i].offered,
			    STR_ARG(sasl_login_mechanism(l)));
		if (!l &&
		    (*choices[i].chosen != '!' || !strstr(buf_cstr(&why), choices[i].chosen + 1)))
			fail_msg("%s: %s", choices[i].offered, buf_cstr(&why));
		sasl_login_free(&l);
		sasl_settings_free(&s);
		buf_free(&text);
		buf_free(&why);
	}
}

static void
test_choice_by_channel(void **state)
{
	struct sasl_settings *s =
	    settings(NAME "smtp_sasl_tls_security_options = noanonymous\n"
			  "smtp_sasl_tls_verified_security_options = noactive\n");
	static const struct {
		enum sasl_channel channel;
		const char *offered, *chosen;
	} rows[] = {
	    {SASL_CHANNEL_CLEAR, "PLAIN", NULL},
	    {SASL_CHANNEL_TLS, "PLAIN", "PLAIN"},
	    {SASL_CHANNEL_TLS, "LOGIN", "LOGIN"},
	    {SASL_CHANNEL_VERIFIED, "PLAIN", NULL},
	    {SASL_CHANNEL_VERIFIED, "SCRAM-SHA-1", "SCRAM-SHA-1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sasl_account account = {0};
		struct buf why = {0};
		struct sasl_login *l = sasl_login_new(
		    s, rows[i].channel, str_c(rows[i].offered), STR("h"), 25, &account, &why);

		assert_int_equal(l != NULL, rows[i].chosen != NULL);
		if (l)
			assert_true(str_eq(sasl_login_mechanism(l), str_c(rows[i].chosen)));
		sasl_login_free(&l);
		buf_free(&why);
	}
	assert_false(sasl_settings_enabled(s));
	sasl_settings_free(&s);
	s = settings(NAME "smtp_sasl_auth_enable = yes\n");
	assert_true(sasl_settings_enabled(s));
	sasl_settings_free(&s);
}

static void
test_next(void **state)
{
	struct sasl_settings *s = settings(ALL);
	struct buf why = {0};
	struct sasl_login *l = login_at(s, "PLAIN CRAM-MD5 LOGIN", "u", "p", &why);

	(void)state;
	expect_begin(l, "CRAM-MD5", "-");
	assert_false(sasl_login_next(l, 535));
	assert_false(sasl_login_next(l, 454));
	assert_false(sasl_login_next(l, 501));
	assert_true(sasl_login_next(l, 504));
	expect_begin(l, "PLAIN", "|u|p");
	assert_true(sasl_login_next(l, 534));
	expect_begin(l, "LOGIN", "-");
	expect_step(l, "", "u");
	assert_false(sasl_login_next(l, 538));
	sasl_login_free(&l);
	assert_null(login_at(s, "PLAIN", "u\nv", "p", &why));
	assert_null(login_at(s, "PLAIN", "u", "p\001", &why));
	buf_free(&why);
	sasl_settings_free(&s);
	s = settings(ALL "send_cyrus_sasl_authzid = yes\n");
	l = login_at(s, "PLAIN", "u", "p", &why);
	expect_begin(l, "PLAIN", "u|u|p");
	sasl_login_free(&l);
	sasl_settings_free(&s);
}

/* --- Where it runs --------------------------------------------------------------------------- */

/* What a hash costs on a fiber is done in a worker thread. */
static void
scram_on_fiber(void *arg)
{
	struct sasl_login *l = scram_login(1);

	expect_step(l, scrams[1].server_first, scrams[1].client_final);
	expect_step(l, scrams[1].server_final, "");
	expect_done(&l, "ok", "");
	*(bool *)arg = true;
}

static void
test_on_fiber(void **state)
{
	bool done = false;

	(void)state;
	fiber_main(scram_on_fiber, &done);
	assert_true(done);
}

/* A confined program can open nothing more. */
static void
test_no_files(void **state)
{
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(open("/dev/null", O_RDONLY), -1);
	test_plain(state);
	test_login(state);
	test_cram_md5(state);
	for (size_t i = 0; i < COUNT(scrams); i++) {
		struct sasl_login *l = scram_login(i);

		expect_step(l, scrams[i].server_first, scrams[i].client_final);
		expect_step(l, scrams[i].server_final, "");
		expect_done(&l, "ok", "");
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_login),
	    cmocka_unit_test(test_cram_md5),
	    cmocka_unit_test(test_digest_md5),
	    cmocka_unit_test(test_scram),
	    cmocka_unit_test(test_scram_hostile),
	    cmocka_unit_test(test_prepared_accounts),
	    cmocka_unit_test(test_names_escaped),
	    cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_realms),
	    cmocka_unit_test(test_long_first),
	    cmocka_unit_test(test_challenge_bounds),
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_choice_by_channel),
	    cmocka_unit_test(test_next),
	    cmocka_unit_test(test_no_files),
	    cmocka_unit_test(test_on_fiber),
	};
	struct buf why = {0};

	if (!sasl_prepare(&why))
		fprintf(stderr, "%s\n", buf_cstr(&why));
	buf_free(&why);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
