/*
 * command - the table of commands, and what is asked of every one before its handler runs
 */
#include "smtpd/command.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/mail/utf8.h"
#include "lib/smtp/command.h"
#include "smtpd/access.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/transaction.h"

/* A domain is 255 bytes; clients say longer things, which are harmless up to here. */
#define HELO_MAX 512
#define ARG_MAX 2048 /* whatever fits into a line */
/* Bytes of a word that is no command, in the log. */
#define LOGGED_MAX 100

static bool
rset_command(struct session *s, const struct command *c)
{
	(void)c;
	transaction_end(&s->transaction);
	reply(s, 250, "2.0.0", "Ok");
	return true;
}

static bool
noop_command(struct session *s, const struct command *c)
{
	(void)c;
	reply(s, 250, "2.0.0", "Ok");
	return true;
}

static bool
help_command(struct session *s, const struct command *c)
{
	(void)c;
	reply(s, 214, "2.0.0",
	    "Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY ETRN HELP QUIT");
	return true;
}

static bool
quit_command(struct session *s, const struct command *c)
{
	(void)c;
	reply(s, 221, "2.0.0", "Bye");
	session_end_for(s, NULL);
	return true;
}

/* Known, and not to be had here. */
static bool
absent_command(struct session *s, const struct command *c)
{
	reply(s, 502, "5.5.1", "Error: %s is not available", c->spec->verb);
	return false;
}

static bool
auth_command(struct session *s, const struct command *c)
{
	(void)c;
	reply(s, 503, "5.5.1", "Error: authentication not enabled");
	return false;
}

static const struct command_spec commands[] = {
    {"HELO", helo_command, STATE_ANY, COMMAND_JUNK | COMMAND_LAST, 1, HELO_MAX, "HELO hostname",
	""},
    {"EHLO", ehlo_command, STATE_ANY, COMMAND_JUNK | COMMAND_LAST, 1, HELO_MAX, "EHLO hostname",
	""},
    {"STARTTLS", absent_command, STATE_ANY, COMMAND_LAST, 0, ARG_MAX, "STARTTLS", "5.5.4"},
    {"AUTH", auth_command, STATE_ANY, 0, 0, ARG_MAX, "AUTH mechanism", "5.5.4"},
    {"MAIL", mail_command, STATE_START | STATE_READY, COMMAND_HELO, 1, ARG_MAX,
	"MAIL FROM:<address>", "5.5.4"},
    {"RCPT", rcpt_command, STATE_MAIL | STATE_RCPT, 0, 1, ARG_MAX, "RCPT TO:<address>", "5.5.4"},
    {"DATA", data_command, STATE_RCPT, COMMAND_LAST, 0, 0, "DATA", "5.5.4"},
    {"BDAT", bdat_command, STATE_ANY, 0, 0, ARG_MAX, "BDAT count [LAST]", "5.5.4"},
    {"RSET", rset_command, STATE_ANY, COMMAND_JUNK, 0, 0, "RSET", "5.5.4"},
    {"NOOP", noop_command, STATE_ANY, COMMAND_JUNK | COMMAND_LAST, 0, ARG_MAX, "NOOP", "5.5.4"},
    {"VRFY", vrfy_command, STATE_ANY, COMMAND_JUNK | COMMAND_LAST, 1, ARG_MAX, "VRFY address",
	"5.5.4"},
    {"HELP", help_command, STATE_ANY, COMMAND_JUNK, 0, ARG_MAX, "HELP", "5.5.4"},
    {"ETRN", etrn_command, STATE_START | STATE_READY, COMMAND_HELO | COMMAND_JUNK | COMMAND_LAST, 1,
	ARG_MAX, "ETRN domain", "5.5.4"},
    {"QUIT", quit_command, STATE_ANY, 0, 0, 0, "QUIT", "5.5.4"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))
_Static_assert(N_COMMANDS < SESSION_COMMANDS, "the last counter is for unknown commands");

/* Commands at the wrong time. */
static const struct {
	const char *verb;
	unsigned states;
	int code;
	const char *text;
} out_of_order[] = {
    {"MAIL", STATE_MAIL | STATE_RCPT | STATE_BDAT, 503, "nested MAIL command"},
    {"RCPT", STATE_START | STATE_READY, 503, "need MAIL command"},
    {"RCPT", STATE_BDAT, 503, "RCPT after BDAT"},
    {"DATA", STATE_START | STATE_READY, 503, "need RCPT command"},
    {"DATA", STATE_MAIL, 554, "no valid recipients"},
    {"DATA", STATE_BDAT, 503, "DATA after BDAT"},
    {"ETRN", STATE_MAIL | STATE_RCPT | STATE_BDAT, 503, "MAIL transaction in progress"},
};

const struct command_spec *
command_table(size_t *n)
{
	*n = N_COMMANDS;
	return commands;
}

void
command_parse(struct str line, bool utf8, struct command *c)
{
	struct smtp_command parts;

	smtp_command_split(line, &parts);
	c->verb = parts.verb;
	c->arg = parts.arg;
	for (size_t i = 0; i < N_COMMANDS && !c->spec; i++)
		if (str_eq_nocase(c->verb, str_c(commands[i].verb)))
			c->spec = &commands[i];
	if (c->fault != COMMAND_FINE)
		return;
	if (c->verb.len == 0)
		c->fault = COMMAND_EMPTY;
	else if (utf8_8bit(line) && !(utf8 && utf8_valid(line)))
		c->fault = COMMAND_UTF8;
	else if (!smtp_command_clean(line, utf8))
		c->fault = COMMAND_BYTES;
}

enum command_state
command_state(const struct session *s)
{
	const struct transaction *t = s->transaction;

	if (t && (t->content || t->no))
		return STATE_BDAT;
	if (t)
		return t->n_rcpts > 0 ? STATE_RCPT : STATE_MAIL;
	return s->helo ? STATE_READY : STATE_START;
}

/* smtpd_noop_commands: words that do nothing, whatever they do elsewhere. */
static bool
is_noop(const struct session *s, struct str verb)
{
	struct str rest = conf_str(s->server->conf, P_smtpd_noop_commands), item;

	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(item, verb))
			return true;
	return false;
}

/* A line that is none: says so. */
static void
refuse_fault(struct session *s, enum command_fault fault)
{
	struct str host = s->server->myhostname;

	switch (fault) {
	case COMMAND_TOO_LONG:
		reply(s, 500, "5.5.2", "Error: line too long");
		break;
	case COMMAND_BARE_LF:
		reply_reject(s, STR_EMPTY, STR_EMPTY, s->server->settings.newline_code, "5.5.2",
		    "%.*s Error: bare <LF> received", STR_ARG(host));
		session_end_for(s, NULL);
		break;
	case COMMAND_UTF8:
		reply(s, 500, "5.5.2", "Error: bad UTF-8 syntax");
		break;
	default:
		reply(s, 500, "5.5.2", "Error: bad syntax");
		break;
	}
}

/* Web browsers, proxies and TLS handshakes are hung up on; anything else is told what is wrong. */
static void
refuse_unknown(struct session *s, const struct command *c)
{
	if (access_forbidden_command(s->server->access, c->verb)) {
		log_warning("non-SMTP command from %s: %.*s%s%.*s", s->peer.namaddr,
		    STR_ARG(str_sub(c->verb, 0, LOGGED_MAX)), c->arg.len ? " " : "",
		    STR_ARG(str_sub(c->arg, 0, LOGGED_MAX)));
		reply(s, 221, "2.7.0", "Error: I can break rules, too. Goodbye.");
		session_end_for(s, NULL);
		return;
	}
	if (c->fault != COMMAND_FINE)
		refuse_fault(s, c->fault);
	else
		reply(s, 502, "5.5.2", "Error: command not recognized");
}

static bool
refuse_state(struct session *s, const struct command_spec *spec, enum command_state state)
{
	for (size_t i = 0; i < sizeof(out_of_order) / sizeof(out_of_order[0]); i++)
		if (strcmp(out_of_order[i].verb, spec->verb) == 0 &&
		    (out_of_order[i].states & state)) {
			reply(s, out_of_order[i].code, "5.5.1", "Error: %s", out_of_order[i].text);
			return false;
		}
	reply(s, 503, "5.5.1", "Error: %s is not allowed now", spec->verb);
	return false;
}

/* Its turn? Its arguments? Then its handler. */
static bool
run_known(struct session *s, const struct command *c)
{
	const struct command_spec *spec = c->spec;
	enum command_state state = command_state(s);

	if (spec->flags & COMMAND_HELO && state == STATE_START &&
	    s->server->settings.helo_required && !s->server->stand_alone) {
		reply(s, 503, "5.5.1", "Error: send HELO/EHLO first");
		return false;
	}
	if (!(spec->states & state))
		return refuse_state(s, spec, state);
	if (c->arg.len < spec->arg_min || c->arg.len > spec->arg_max) {
		reply(s, 501, spec->syntax_dsn, "Syntax: %s", spec->syntax);
		return false;
	}
	return spec->run(s, c);
}

void
command_run(struct session *s, const struct command *c)
{
	size_t row =
	    c->spec && c->fault == COMMAND_FINE ? (size_t)(c->spec - commands) : N_COMMANDS;
	unsigned flags = row < N_COMMANDS ? c->spec->flags : 0;
	bool good = false;

	s->where = row < N_COMMANDS ? c->spec->verb : "UNKNOWN";
	if (row < N_COMMANDS && (flags & COMMAND_LAST || strcmp(s->protocol, "ESMTP") != 0) &&
	    !session_pipelining(s))
		return;
	if (s->commands[row].total < UINT16_MAX)
		s->commands[row].total++;
	if (c->fault == COMMAND_FINE && is_noop(s, c->verb)) {
		flags = COMMAND_JUNK;
		good = noop_command(s, c);
	} else if (row < N_COMMANDS)
		good = run_known(s, c);
	else if (!c->spec && c->verb.len > 0 && c->fault != COMMAND_BARE_LF)
		refuse_unknown(s, c);
	else
		refuse_fault(s, c->fault);
	if (good && s->commands[row].good < UINT16_MAX)
		s->commands[row].good++;
	if (!s->ended)
		limits_command(s, good, flags & COMMAND_JUNK);
}

static void
count_text(const char *name, unsigned total, unsigned good, struct buf *out)
{
	if (total == 0)
		return;
	buf_putc(out, ' ');
	for (; *name; name++)
		buf_putc(out, *name >= 'A' && *name <= 'Z' ? (char)(*name + 'a' - 'A') : *name);
	if (good == total)
		buf_printf(out, "=%u", total);
	else
		buf_printf(out, "=%u/%u", good, total);
}

void
command_statistics(const struct session *s, struct buf *out)
{
	unsigned total = 0, good = 0;

	for (size_t i = 0; i <= N_COMMANDS; i++) {
		const char *name = i < N_COMMANDS ? commands[i].verb : "unknown";

		count_text(name, s->commands[i].total, s->commands[i].good, out);
		total += s->commands[i].total;
		good += s->commands[i].good;
	}
	if (total == 0)
		buf_puts(out, " commands=0/0");
	else
		count_text("commands", total, good, out);
}
