/*
 * options - Sendmail's options as Postfix understands them
 *
 * A row per letter. What has no meaning here is accepted and ignored, so that programs written for
 * Sendmail go on working; what would change where mail goes, and is not done, is refused.
 */
#include "sendmail/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

typedef bool handler(struct options *o, const char *value, struct buf *why);

static void
warn(struct options *o, const char *text)
{
	buf_printf(&o->warnings, "%s\n", text);
}

static bool
opt_ignored(struct options *o, const char *value, struct buf *why)
{
	(void)o;
	(void)value;
	(void)why;
	return true;
}

static bool
opt_body(struct options *o, const char *value, struct buf *why)
{
	if (str_eq_nocase(str_c(value), STR("8BITMIME")))
		o->body_8bit = true;
	else if (str_eq_nocase(str_c(value), STR("7BIT")))
		o->body_8bit = false;
	else
		buf_puts(why, "-B takes 7BIT or 8BITMIME");
	return why->len == 0;
}

/* A directory, or the path of the main.cf in it. */
static bool
opt_config(struct options *o, const char *value, struct buf *why)
{
	const char *slash = strrchr(value, '/');
	size_t len = strlen(value);

	(void)why;
	free(o->config_dir);
	if (strcmp(slash ? slash + 1 : value, "main.cf") != 0)
		o->config_dir = str_dup(str_n(value, len));
	else if (slash == NULL)
		o->config_dir = mem_strdup(".");
	else
		o->config_dir = str_dup(str_n(value, slash == value ? 1 : (size_t)(slash - value)));
	return true;
}

static bool
opt_full_name(struct options *o, const char *value, struct buf *why)
{
	(void)why;
	o->full_name = value;
	return true;
}

static bool
opt_gateway(struct options *o, const char *value, struct buf *why)
{
	(void)value;
	(void)why;
	o->gateway = true;
	return true;
}

static bool
opt_newaliases(struct options *o, const char *value, struct buf *why)
{
	(void)value;
	(void)why;
	o->mode = MODE_NEWALIASES;
	return true;
}

static bool
opt_notify(struct options *o, const char *value, struct buf *why)
{
	struct buf packed = {0};

	(void)why;
	for (const char *p = value; *p; p++) /* "failure, delay" is a usual spelling */
		if (*p != ' ' && *p != '\t')
			buf_putc(&packed, *p);
	if (!dsn_notify_parse(buf_view(&packed), &o->notify))
		warn(o, "-N: not never, or a list of success, failure, delay: ignored");
	buf_free(&packed);
	return true;
}

static bool
opt_return(struct options *o, const char *value, struct buf *why)
{
	(void)why;
	if (!dsn_ret_parse(str_c(value), &o->ret))
		warn(o, "-R: neither full nor hdrs: ignored");
	return true;
}

static bool
opt_envid(struct options *o, const char *value, struct buf *why)
{
	(void)why;
	for (const char *p = value; *p; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~') {
			warn(o, "-V: not plain text: ignored");
			return true;
		}
	}
	if (strlen(value) > DSN_ENVID_MAX)
		warn(o, "-V: too long: ignored");
	else
		o->envid = value;
	return true;
}

/* Sendmail's long options. Two of them are ours as well; the rest are main.cf's business. */
static bool
opt_long(struct options *o, const char *value, struct buf *why)
{
	struct str s = str_c(value);
	size_t eq = str_chr(s, '=');
	struct str name = str_trim(str_sub(s, 0, eq));
	struct str what = eq == STR_NPOS ? STR_EMPTY : str_trim(str_from(s, eq + 1));

	if (str_eq_nocase(name, STR("smtputf8"))) {
		o->smtputf8 = str_eq_nocase(what, STR("yes"));
		if (!o->smtputf8 && !str_eq_nocase(what, STR("no")))
			buf_puts(why, "-O smtputf8 needs yes or no");
	} else if (str_eq_nocase(name, STR("requiretls")) && !str_eq_nocase(what, STR("no"))) {
		buf_puts(why, "-O requiretls is not supported");
	}
	return why->len == 0;
}

static bool
opt_sender(struct options *o, const char *value, struct buf *why)
{
	(void)why;
	o->sender = value;
	return true;
}

static bool
opt_ignore_dots(struct options *o, const char *value, struct buf *why)
{
	(void)value;
	(void)why;
	o->ignore_dots = true;
	return true;
}

static bool
opt_old(struct options *o, const char *value, struct buf *why)
{
	(void)why;
	if (*value == 'i')
		o->ignore_dots = true;
	return true;
}

static bool
opt_mode(struct options *o, const char *value, struct buf *why)
{
	switch (*value) {
	case 'd':
	case 'l':
		if (o->mode == MODE_FLUSH)
			warn(o, "-q means nothing in daemon mode: ignored");
		o->mode = MODE_DAEMON;
		break;
	case 'h':
	case 'H':
		o->mode = MODE_NOTHING;
		break;
	case 'i':
		o->mode = MODE_NEWALIASES;
		break;
	case 'm':
		o->mode = MODE_ENQUEUE;
		break;
	case 'p':
		o->mode = MODE_MAILQ;
		break;
	case 's':
		o->mode = MODE_SMTP;
		break;
	case 'v':
		o->verify = true;
		break;
	default:
		buf_printf(why, "unsupported: -b%c", *value);
		return false;
	}
	return true;
}

/*
 * -qI, -qR, -qS: which messages. With Postfix -qR takes a site; what has an @ in it is none, and a part of
 * an address, as with Sendmail.
 */
static void
choose(struct options *o, const char *value, struct buf *why)
{
	const char *what = *value == 'I' ? "queue ID" : *value == 'R' ? "site" : "part of a sender";
	const char **place = NULL;

	if (*value == 'I')
		place = &o->flush_id;
	else if (*value == 'S')
		place = &o->flush_sender;
	else if (*value == 'R')
		place = strchr(value, '@') ? &o->flush_recipient : &o->flush_site;
	if (!place)
		buf_printf(why,
		    "-q%s: messages cannot be chosen like this here: try one with -qI and its"
		    " queue ID from mailq, those to a site with -qR, those from somebody with -qS, "
		    "or all with -q",
		    value);
	else if (!value[1])
		buf_printf(why, "-q%c needs a %s behind it", *value, what);
	else if (*place)
		buf_printf(why, "-q%c: only one %s can be given", *value, what);
	else
		*place = value + 1;
}

/* VALUE is empty for -q alone. */
static bool
opt_queue(struct options *o, const char *value, struct buf *why)
{
	if (*value == '\0' && o->mode == MODE_DAEMON)
		warn(o, "-q means nothing in daemon mode: ignored");
	else if (*value == '\0')
		o->mode = MODE_FLUSH;
	else if (isdigit((unsigned char)*value))
		o->interval = true;
	else
		choose(o, value, why);
	return why->len == 0;
}

static bool
opt_extract(struct options *o, const char *value, struct buf *why)
{
	(void)value;
	(void)why;
	o->extract = true;
	return true;
}

static bool
opt_verbose(struct options *o, const char *value, struct buf *why)
{
	(void)value;
	(void)why;
	o->verbose++;
	return true;
}

/* -XV, -XV+=: variable return paths. Any other -X is Sendmail's log of traffic. */
static bool
opt_extension(struct options *o, const char *value, struct buf *why)
{
	if (*value == 'V') {
		o->verp = value + 1;
		return true;
	}
	buf_printf(why, "unsupported: -X%c", *value);
	return false;
}

enum argument { ARG_NONE, ARG_REQUIRED, ARG_ATTACHED /* in the same word, or none */ };

struct row {
	char letter;
	enum argument argument;
	handler *run;
};

static const struct row rows[] = {
    {'A', ARG_REQUIRED, opt_ignored}, /* -Ac, -Am: there is one configuration */
    {'B', ARG_REQUIRED, opt_body},
    {'C', ARG_REQUIRED, opt_config},
    {'F', ARG_REQUIRED, opt_full_name},
    {'G', ARG_NONE, opt_gateway},
    {'I', ARG_NONE, opt_newaliases},
    {'L', ARG_REQUIRED, opt_ignored}, /* syslog_name does this */
    {'N', ARG_REQUIRED, opt_notify},
    {'O', ARG_REQUIRED, opt_long},
    {'R', ARG_REQUIRED, opt_return},
    {'U', ARG_NONE, opt_ignored},
    {'V', ARG_REQUIRED, opt_envid},
    {'X', ARG_REQUIRED, opt_extension},
    {'b', ARG_REQUIRED, opt_mode},
    {'c', ARG_NONE, opt_ignored},
    {'e', ARG_REQUIRED, opt_ignored},
    {'f', ARG_REQUIRED, opt_sender},
    {'h', ARG_REQUIRED, opt_ignored}, /* hopcount_limit does this */
    {'i', ARG_NONE, opt_ignore_dots},
    {'m', ARG_NONE, opt_ignored},
    {'n', ARG_NONE, opt_ignored},
    {'o', ARG_REQUIRED, opt_old},
    {'p', ARG_REQUIRED, opt_ignored},
    {'q', ARG_ATTACHED, opt_queue},
    {'r', ARG_REQUIRED, opt_sender},
    {'t', ARG_NONE, opt_extract},
    {'v', ARG_NONE, opt_verbose},
    {'x', ARG_NONE, opt_ignored},
};

static const struct row *
find_row(char letter)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

/* One word of options: "-oi", "-ti". *NEXT is the word behind it, taken when an argument needs it. */
static bool
parse_word(struct options *o, const char *word, char ***next, struct buf *why)
{
	for (const char *p = word + 1; *p; p++) {
		const struct row *row = find_row(*p);
		const char *value = "";

		if (row == NULL) {
			buf_printf(why, "unknown option -%c", *p);
			return false;
		}
		if (row->argument == ARG_NONE) {
			if (!row->run(o, value, why))
				return false;
			continue;
		}
		if (p[1] || row->argument == ARG_ATTACHED)
			value = p + 1;
		else if (**next)
			value = *(*next)++;
		else {
			buf_printf(why, "option -%c needs an argument", *p);
			return false;
		}
		return row->run(o, value, why);
	}
	return true;
}

/* Is one message to be flushed, or some? */
static bool
is_choice(const struct options *o)
{
	return o->flush_id || o->flush_site || o->flush_sender || o->flush_recipient;
}

static bool
check_conflicts(struct options *o, struct buf *why)
{
	if (o->extract && o->verify)
		buf_puts(why, "-bv takes no message, so -t finds nothing");
	else if (o->notify && o->verify)
		buf_puts(why, "-bv always reports, so -N has no place");
	else if (o->verbose == 1 && o->verify)
		buf_puts(why, "-bv always reports, so -v has no place");
	else if (o->extract && o->mode != MODE_ENQUEUE)
		buf_puts(why, "-t is for delivering mail alone");
	else if (is_choice(o) && o->mode != MODE_ENQUEUE)
		buf_puts(why, "-qI, -qR and -qS go with no other mode");
	else if (o->flush_id && (o->flush_site || o->flush_sender || o->flush_recipient))
		buf_puts(why, "-qI is one message, so -qR and -qS have no place");
	else if (o->n_recipients && (o->mode != MODE_ENQUEUE || is_choice(o)))
		buf_puts(why, "this mode takes no recipients");
	return why->len == 0;
}

static enum mode
mode_by_name(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');
	const char *name = slash ? slash + 1 : argv0;

	if (strcmp(name, "mailq") == 0)
		return MODE_MAILQ;
	if (strcmp(name, "newaliases") == 0)
		return MODE_NEWALIASES;
	return MODE_ENQUEUE;
}

bool
options_parse(int argc, char **argv, struct options *o, struct buf *why)
{
	char **next = argv + 1;

	memset(o, 0, sizeof(*o));
	o->mode = mode_by_name(argc > 0 ? argv[0] : "");
	o->recipients = mem_array((size_t)argc + 1, sizeof(*o->recipients));
	while (argc > 0 && *next) {
		char *word = *next++;

		if (strcmp(word, "--") == 0) {
			while (*next)
				o->recipients[o->n_recipients++] = *next++;
		} else if (word[0] != '-' || word[1] == '\0') {
			o->recipients[o->n_recipients++] = word;
		} else if (!parse_word(o, word, &next, why)) {
			return false;
		}
	}
	if (!check_conflicts(o, why))
		return false;
	if (o->verbose == 1 && o->mode == MODE_ENQUEUE) {
		o->verbose = 0;
		o->report = true;
	}
	return true;
}

void
options_free(struct options *o)
{
	free(o->config_dir);
	free(o->recipients);
	buf_free(&o->warnings);
	memset(o, 0, sizeof(*o));
}
