/*
 * features - see features.h
 */
#include "smtp/features.h"

#include <string.h>

#include "lib/conf/conf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *const xforward_names[XFORWARDS] = {
    "NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"};

static const struct {
	const char *word;
	unsigned bit;
} words[] = {
    {"PIPELINING", FEATURE_PIPELINING},
    {"SIZE", FEATURE_SIZE},
    {"8BITMIME", FEATURE_8BITMIME},
    {"SMTPUTF8", FEATURE_SMTPUTF8},
    {"DSN", FEATURE_DSN},
    {"CHUNKING", FEATURE_CHUNKING},
    {"XFORWARD", FEATURE_XFORWARD},
    {"STARTTLS", FEATURE_STARTTLS},
    {"AUTH", FEATURE_AUTH},
    {"ENHANCEDSTATUSCODES", FEATURE_ENHANCED},
    /* Words of servers that mean nothing to a client. */
    {"ETRN", 0},
    {"VRFY", 0},
    {"BINARYMIME", 0},
    {"XCLIENT", 0},
    {"REQUIRETLS", 0},
    {"silent-discard", 0},
};

static bool
find_word(struct str word, unsigned *bit)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq_nocase(word, str_c(words[i].word))) {
			*bit = words[i].bit;
			return true;
		}
	return false;
}

/* Mechanisms of "AUTH PLAIN LOGIN"; more than one such line adds up. */
static void
add_auth(struct features *f, struct str rest)
{
	size_t have = strlen(f->auth);
	struct str word;

	while (str_token(&rest, " \t=", &word)) {
		if (have + word.len + 2 > sizeof(f->auth))
			return;
		if (have > 0)
			f->auth[have++] = ' ';
		memcpy(f->auth + have, word.data, word.len);
		have += word.len;
		f->auth[have] = '\0';
	}
}

static void
add_xforward(struct features *f, struct str rest)
{
	struct str word;

	while (str_token(&rest, " \t", &word))
		for (size_t i = 0; i < XFORWARDS; i++)
			if (str_eq_nocase(word, str_c(xforward_names[i])))
				f->xforward |= 1U << i;
}

static void
take_line(struct str line, unsigned discard, struct features *f)
{
	struct str word;
	unsigned bit;

	/* "AUTH=LOGIN" is how some servers from before the standard say it. */
	if (!str_token(&line, " \t=", &word) || !find_word(word, &bit) || (bit & discard) || !bit)
		return;
	f->bits |= bit;
	if (bit == FEATURE_SIZE &&
	    (!str_token(&line, " \t=", &word) || !str_to_u64(word, UINT64_MAX, &f->size)))
		f->size = 0;
	else if (bit == FEATURE_AUTH)
		add_auth(f, line);
	else if (bit == FEATURE_XFORWARD)
		add_xforward(f, line);
}

void
features_parse(struct str text, unsigned discard, struct features *f)
{
	size_t lf = str_chr(text, '\n');

	*f = (struct features){.bits = FEATURE_ESMTP};
	while (lf != STR_NPOS) {
		text = str_from(text, lf + 1);
		lf = str_chr(text, '\n');
		take_line(str_sub(text, 0, lf), discard, f);
	}
}

bool
features_words(struct str list, unsigned *bits, struct buf *why)
{
	struct str word;
	unsigned bit;

	*bits = 0;
	while (conf_list_next(&list, &word)) {
		if (!find_word(word, &bit)) {
			buf_printf(
			    why, "\"%.*s\" is no EHLO keyword that a client knows", STR_ARG(word));
			return false;
		}
		*bits |= bit;
	}
	return true;
}
