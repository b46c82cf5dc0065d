/*
 * command - the table of commands
 */
#ifndef POSTKEEP_SMTPD_COMMAND_H
#define POSTKEEP_SMTPD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"
#include "smtpd/session.h"

/* Where a session can be, as bits. */
enum command_state {
	STATE_START = 1, /* neither HELO nor EHLO was said */
	STATE_READY = 2, /* no transaction */
	STATE_MAIL = 4,  /* MAIL was accepted, no recipient yet */
	STATE_RCPT = 8,  /* there is a recipient */
	STATE_BDAT = 16, /* chunks are coming */
	STATE_ANY = 31,
};

enum command_flags {
	COMMAND_JUNK = 1, /* does no work: counted against smtpd_junk_command_limit */
	COMMAND_LAST = 2, /* nothing may be pipelined behind it (RFC 2920 section 3.1) */
	COMMAND_HELO = 4, /* needs HELO or EHLO first, with smtpd_helo_required */
};

struct command_spec;

/* What is wrong with a line before anybody asks what it means. */
enum command_fault {
	COMMAND_FINE,
	COMMAND_TOO_LONG, /* line_length_limit */
	COMMAND_BARE_LF,  /* its line end is not CRLF, and that is refused */
	COMMAND_EMPTY,    /* no verb */
	COMMAND_BYTES,    /* NUL, other control bytes */
	COMMAND_UTF8,     /* bytes above 127 that are no UTF-8, or not wanted */
};

/* One command line; lives until its handler returns. Views of the stream's buffer. */
struct command {
	struct str verb, arg;
	const struct command_spec *spec; /* NULL: unknown */
	enum command_fault fault;
};

struct command_spec {
	const char *verb;
	/* Replies; true when the command did what it is for. May wait. */
	bool (*run)(struct session *s, const struct command *c);
	unsigned states;
	unsigned flags;
	size_t arg_min, arg_max; /* bytes */
	const char *syntax;      /* for the reply to anything else: "Syntax: NOOP [text]" */
	const char *syntax_dsn;
};

/* Fills C in (a fault it has already stays). LINE is without its line end. */
void command_parse(struct str line, bool utf8, struct command *c);
/* Checks state and argument, runs the handler, counts. May wait. */
void command_run(struct session *s, const struct command *c);
enum command_state command_state(const struct session *s);
/* " ehlo=1 mail=1 rcpt=0/1 … commands=2/3", for the log. */
void command_statistics(const struct session *s, struct buf *out);
/* The rows, for tests; *N of them. */
const struct command_spec *command_table(size_t *n);

/* helo.c, mail.c, rcpt.c, data.c, bdat.c, etrn.c */
bool helo_command(struct session *s, const struct command *c);
bool ehlo_command(struct session *s, const struct command *c);
bool mail_command(struct session *s, const struct command *c);
bool rcpt_command(struct session *s, const struct command *c);
bool vrfy_command(struct session *s, const struct command *c);
bool data_command(struct session *s, const struct command *c);
bool bdat_command(struct session *s, const struct command *c);
bool etrn_command(struct session *s, const struct command *c);

#endif
