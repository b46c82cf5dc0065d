/*
 * fuzz_sasl - a login at a server that says anything
 *
 * The first byte chooses the mechanism; then come the server's challenges, decoded, one per line, of which one that
 * begins with "!" is sent as it is (without base64), and "=" ends the login with 235. In challenges "%" stands for the
 * client's nonce. An answer is one line of base64, or "*" with a cause; after "*" nothing but "*" follows; a mechanism
 * that lets the server prove itself never succeeds without the proof, which nobody here can give.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/sasl/sasl.h"
#include "lib/sasl/sasl_private.h"

#define NONCE "fyko+d2lbbFgONRv9qkxdawL"
/* More turns of PBKDF2 than a run has time for. */
#define MANY_TURNS 5

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct sasl_settings *settings;
	struct sasl_account account;
} fuzz;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct conf_problems problems = {0};
	struct conf *conf = conf_load_text("/nonexistent",
	    STR("myhostname = mx.example\nsmtp_sasl_security_options =\n"), NULL, 0, &problems);
	struct buf why = {0};

	(void)argc, (void)argv;
	conf_problems_free(&problems);
	fuzz.settings = sasl_settings_new(conf, "smtp", NULL);
	conf_free(&conf);
	buf_puts(&fuzz.account.user, "alice@x");
	buf_puts(&fuzz.account.password, "secret");
	sasl_prepare(&why);
	buf_free(&why);
	return 0;
}

/* A long number would only cost time. */
static bool
asks_for_much(struct str challenge)
{
	size_t digits = 0;

	for (size_t i = 0; i < challenge.len; i++) {
		digits = challenge.data[i] >= '0' && challenge.data[i] <= '9' ? digits + 1 : 0;
		if (digits >= MANY_TURNS)
			return true;
	}
	return false;
}

static void
put_challenge(struct str line, struct buf *text)
{
	struct buf bytes = {0};

	if (line.len > 0 && line.data[0] == '!') {
		buf_str(text, str_from(line, 1));
		return;
	}
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] == '%')
			buf_puts(&bytes, NONCE);
		else
			buf_putc(&bytes, line.data[i]);
	}
	base64_encode(buf_view(&bytes), text);
	buf_free(&bytes);
}

static void
check_end(struct sasl_login *l, struct str text, bool canceled)
{
	struct buf why = {0};
	bool ok = sasl_login_done(l, text, &why);

	if (ok != (why.len == 0) || (ok && canceled) || (ok && l->mechanism->final && !l->proved))
		abort();
	/* Nobody can guess the signature; rspauth and "v=" are keyed with the password. */
	if (ok && l->mechanism->final)
		abort();
	buf_free(&why);
}

static void
challenge(struct sasl_login *l, struct str given, bool *canceled)
{
	struct buf text = {0}, line = {0}, why = {0}, bytes = {0};
	enum sasl_step step;

	put_challenge(given, &text);
	step = sasl_login_step(l, buf_view(&text), &line, &why);
	if (step == SASL_STEP_CANCEL) {
		if (!str_eq(buf_view(&line), STR("*")) || (why.len == 0 && !*canceled))
			abort();
		*canceled = true;
	} else if (*canceled || why.len > 0 || !base64_decode(buf_view(&line), &bytes)) {
		abort();
	}
	buf_free(&text);
	buf_free(&line);
	buf_free(&why);
	buf_free(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf line = {0}, why = {0};
	struct str rest, given;
	struct sasl_login *l;
	bool canceled = false;
	size_t n = 0;

	if (size == 0 || asks_for_much(str_n(data + 1, size - 1)))
		return 0;
	while (sasl_mechanisms[n].name)
		n++;
	l = sasl_login_new(fuzz.settings, SASL_CHANNEL_CLEAR,
	    str_c(sasl_mechanisms[data[0] % n].name), STR("mx.example"), 25, &fuzz.account, &why);
	if (!l || why.len > 0)
		abort();
	sasl_fix_nonce(l, STR(NONCE));
	sasl_login_begin(l, &line);
	if (line.len > 510)
		abort();
	rest = str_n(data + 1, size - 1);
	while (rest.len > 0) {
		size_t end = str_chr(rest, '\n');

		given = str_sub(rest, 0, end);
		rest = end == STR_NPOS ? STR_EMPTY : str_from(rest, end + 1);
		if (given.len > 0 && given.data[0] == '=')
			check_end(l, str_from(given, 1), canceled);
		else
			challenge(l, given, &canceled);
	}
	sasl_login_error(l, &why);
	sasl_login_free(&l);
	buf_free(&line);
	buf_free(&why);
	return 0;
}
