/*
 * helo - HELO and EHLO
 */
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "smtpd/command.h"
#include "smtpd/reply.h"
#include "smtpd/transaction.h"

static void
helo_said(struct session *s, const struct command *c, const char *protocol)
{
	transaction_end(&s->transaction);
	free(s->helo);
	s->helo = str_dup(c->arg);
	s->protocol = protocol;
}

bool
helo_command(struct session *s, const struct command *c)
{
	helo_said(s, c, "SMTP");
	reply_text(s, 250, "", s->server->myhostname);
	return true;
}

bool
ehlo_command(struct session *s, const struct command *c)
{
	static const struct {
		enum ehlo_keyword bit;
		const char *line;
	} lines[] = {
	    {EHLO_PIPELINING, "PIPELINING"},
	    {EHLO_SIZE, "SIZE"},
	    {EHLO_VRFY, "VRFY"},
	    {EHLO_ETRN, "ETRN"},
	    {EHLO_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"},
	    {EHLO_8BITMIME, "8BITMIME"},
	    {EHLO_DSN, "DSN"},
	    {EHLO_SMTPUTF8, "SMTPUTF8"},
	    {EHLO_CHUNKING, "CHUNKING"},
	    {EHLO_XVERP, "XVERP"},
	};
	const struct settings *st = &s->server->settings;
	struct buf text = {0};

	helo_said(s, c, "ESMTP");
	buf_str(&text, s->server->myhostname);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!(session_offered(s) & lines[i].bit))
			continue;
		buf_printf(&text, "\n%s", lines[i].line);
		if (lines[i].bit == EHLO_SIZE && st->message_max > 0)
			buf_printf(&text, " %llu", (unsigned long long)st->message_max);
	}
	reply_text(s, 250, "", buf_view(&text));
	buf_free(&text);
	return true;
}
