/*
 * enqueue - reads a message, finds its recipients, and hands both to postdrop
 *
 * Runs as whoever called it and trusts nothing of what it reads. What goes to postdrop is the stream of
 * lib/queue/drop.h; as long as its last record has not been written there is no message.
 */
#include "sendmail/enqueue.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/mail/utf8.h"
#include "lib/mail/verp.h"
#include "lib/queue/drop.h"
#include "lib/queue/users.h"
#include "sendmail/fail.h"
#include "sendmail/input.h"
#include "sendmail/recipients.h"
#include "sendmail/run.h"
#include "sendmail/status.h"

#define READ_SIZE 65536
/* sendmail -t holds the header in memory until it has its recipients. */
#define HEADER_MAX (16 << 20)

struct submission {
	const struct options *options;
	struct arena *arena;
	struct msg_drop_begin envelope;
	struct recipients recipients;
	struct input input;
	struct buf content; /* read, and not yet handed over */
	struct buf out;     /* records on their way */
	struct postdrop postdrop;
	uint64_t size;
	char who[128]; /* "alice(1000)", for messages */
};

void
check_submitter(void)
{
	struct buf why = {0};
	struct buf name = {0};
	uid_t uid = getuid();

	switch (users_allowed(conf_str(conf_get(), P_authorized_submit_users), uid, &why)) {
	case USERS_YES:
		break;
	case USERS_NO:
		users_name(uid, &name);
		fail(EX_NOPERM, "user %s(%ld) may not submit mail (authorized_submit_users)",
		    buf_cstr(&name), (long)uid);
	case USERS_ERROR:
		fail(EX_TEMPFAIL, "authorized_submit_users: %s", buf_cstr(&why));
	}
	buf_free(&why);
}

/* ---- Envelope -------------------------------------------------------------------------------- */

static void
set_sender(struct submission *s)
{
	const struct options *o = s->options;
	const struct passwd *pw = NULL;
	struct buf why = {0};
	bool several;

	if (o->sender == NULL) {
		errno = 0;
		pw = getpwuid(getuid());
		/* Both are what some name services say of a user that they do not have. */
		if (pw == NULL && errno != 0 && errno != ENOENT && errno != ESRCH)
			fail(EX_TEMPFAIL, "look up user ID %ld: %s", (long)getuid(),
			    strerror(errno));
		if (pw == NULL)
			fail(EX_OSERR, "user ID %ld has no login name", (long)getuid());
	}
	if (!sender_from_word(str_c(o->sender ? o->sender : pw->pw_name), s->arena,
		&s->envelope.sender, &several, &why))
		fail(EX_USAGE, "sender: %s", buf_cstr(&why));
	if (several)
		caution("-f names several addresses, the first one counts: %s", o->sender);
	snprintf(s->who, sizeof(s->who), "%.*s(%ld)", STR_ARG(str_sub(s->envelope.sender, 0, 80)),
	    (long)getuid());
	if (utf8_8bit(s->envelope.sender))
		s->envelope.smtputf8 = true;
}

/* The user's full name: -F, $NAME, or the user database, where '&' stands for the login name. */
static void
set_full_name(struct submission *s)
{
	const char *name = s->options->full_name ? s->options->full_name : getenv("NAME");
	const struct passwd *pw;
	struct buf text = {0};

	if (name == NULL && (pw = getpwuid(getuid())) != NULL && pw->pw_gecos) {
		for (const char *p = pw->pw_gecos; *p && *p != ','; p++) {
			size_t at = text.len;

			if (*p != '&') {
				buf_putc(&text, *p);
				continue;
			}
			buf_puts(&text, pw->pw_name);
			if (text.data[at] >= 'a' && text.data[at] <= 'z')
				text.data[at] = (char)(text.data[at] - 'a' + 'A');
		}
	} else if (name) {
		buf_puts(&text, name);
	}
	s->envelope.full_name = arena_str(s->arena, str_trim(buf_view(&text)));
	buf_free(&text);
}

/* The two characters of -XV, or those of main.cf. What is wrong with them is the caller's mistake. */
static void
set_verp(struct submission *s)
{
	const char *asked = s->options->verp;
	struct str filter = conf_str(conf_get(), P_verp_delimiter_filter);

	if (!asked)
		return;
	s->envelope.verp = *asked ? str_c(asked) : conf_str(conf_get(), P_default_verp_delimiters);
	if (!verp_delimiters_ok(s->envelope.verp, filter))
		fail(EX_USAGE, "-XV needs two characters from %.*s", STR_ARG(filter));
}

static void
set_envelope(struct submission *s)
{
	const struct options *o = s->options;
	struct msg_drop_begin *e = &s->envelope;

	e->smtputf8 = o->smtputf8;
	set_sender(s);
	set_full_name(s);
	e->ret = o->ret;
	e->envid = str_c(o->envid);
	e->notify = o->notify;
	e->body_8bit = o->body_8bit;
	e->verify_only = o->verify;
	e->verbose = o->report;
	e->remove_bcc = true;
	e->gateway = o->gateway;
	set_verp(s);
}

static void
add_command_line(struct submission *s)
{
	struct buf why = {0};

	for (size_t i = 0; i < s->options->n_recipients; i++)
		if (!recipients_add_word(
			&s->recipients, str_c(s->options->recipients[i]), s->arena, &why))
			fail(EX_USAGE, "%s: %s", s->who, buf_cstr(&why));
	if (s->recipients.n == 0 && !s->options->extract)
		fail(EX_USAGE,
		    "%s: no recipient: name them on the command line, or let -t take them from "
		    "the header",
		    s->who);
}

static void
add_header(struct submission *s)
{
	struct buf why = {0};

	if (!recipients_add_header(&s->recipients, buf_view(&s->content), s->arena, &why))
		fail(EX_DATAERR, "%s: recipients in the header: %s", s->who, buf_cstr(&why));
	if (s->recipients.n == 0)
		fail(EX_USAGE, "%s: the header names no recipient", s->who);
}

/* ---- Content --------------------------------------------------------------------------------- */

/* Reads a piece of standard input and appends what it makes to s->content. False at the end. */
static bool
read_piece(struct submission *s)
{
	char data[READ_SIZE];
	ssize_t n;

	if (s->input.done)
		return false;
	do
		n = read(STDIN_FILENO, data, sizeof(data));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		fail(status_read(errno), "%s: error reading input: %s", s->who, strerror(errno));
	if (n == 0) {
		input_end(&s->input, &s->content);
		return false;
	}
	input_take(&s->input, str_n(data, (size_t)n), &s->content);
	return true;
}

/* Is the empty line behind the header in s->content? *FROM: where the search may go on. */
static bool
header_is_whole(struct submission *s, size_t *from)
{
	struct str content = buf_view(&s->content);

	if (str_starts(content, STR("\r\n")) ||
	    str_find(str_from(content, *from), STR("\r\n\r\n")) != STR_NPOS)
		return true;
	*from = content.len > 3 ? content.len - 3 : 0;
	return false;
}

static void
read_header(struct submission *s)
{
	size_t from = 0;

	while (!header_is_whole(s, &from)) {
		if (s->content.len > HEADER_MAX)
			fail(EX_DATAERR, "%s: the header is too large for -t", s->who);
		if (!read_piece(s))
			break;
	}
}

/* The message of -bv, which is never delivered: the report shows it. */
static void
make_probe(struct submission *s)
{
	if (s->envelope.sender.len)
		buf_printf(&s->content, "From: %.*s\r\n", STR_ARG(s->envelope.sender));
	buf_puts(&s->content, "Subject: probe\r\n");
	for (size_t i = 0; i < s->recipients.n; i++)
		buf_printf(&s->content, "%s%.*s%s\r\n",
		    i ? "\t" : "To: ", STR_ARG(s->recipients.list[i]),
		    i + 1 < s->recipients.n ? "," : "");
}

/* ---- To postdrop ----------------------------------------------------------------------------- */

static void
start_postdrop(struct submission *s)
{
	char *argv[] = {(char[]){"postdrop"}, (char[]){"-r"}, NULL};
	const char *dir = conf_cstr(conf_get(), P_command_directory);

	if (!postdrop_start(&s->postdrop, dir, argv))
		fail(status_run(errno), "unable to execute %s/postdrop: %s", dir, strerror(errno));
}

static void
send_out(struct submission *s)
{
	postdrop_feed(&s->postdrop, buf_view(&s->out));
	buf_reset(&s->out);
}

static void
send_envelope(struct submission *s)
{
	s->envelope.smtputf8 |= s->recipients.utf8;
	drop_write_begin(&s->out, &s->envelope);
	for (size_t i = 0; i < s->recipients.n; i++)
		drop_write_rcpt(&s->out, &(struct msg_rcpt){.address = s->recipients.list[i]});
	send_out(s);
}

static void
send_content(struct submission *s)
{
	s->size += s->content.len;
	drop_write_content(&s->out, buf_view(&s->content));
	buf_reset(&s->content);
	send_out(s);
}

static void
finish(struct submission *s)
{
	struct buf answer = {0};
	struct str line;
	int status;

	drop_write_end(&s->out, s->size);
	send_out(s);
	status = postdrop_finish(&s->postdrop, &answer);
	line = str_trim(buf_view(&answer));
	if (status != 0)
		fail(status, "%s: %.*s", s->who,
		    STR_ARG(line.len ? line : STR("the message was not accepted")));
	log_debug("%s: %.*s", s->who, STR_ARG(line));
	buf_free(&answer);
}

void
enqueue(const struct options *o)
{
	struct submission s = {.options = o, .arena = arena_new(0)};

	check_submitter();
	/* It starts while the message is read; when there is none, it ends without a word. */
	start_postdrop(&s);
	s.input.line_ends = (enum line_ends)conf_enum(conf_get(), P_sendmail_fix_line_endings);
	s.input.ignore_dots = o->ignore_dots;
	set_envelope(&s);
	add_command_line(&s);
	if (o->verify)
		make_probe(&s);
	else if (o->extract) {
		read_header(&s);
		add_header(&s);
	}
	send_envelope(&s);
	send_content(&s);
	while (!o->verify && !s.postdrop.broken && read_piece(&s))
		send_content(&s);
	send_content(&s);
	finish(&s);
	if ((o->verify || o->report) && s.envelope.sender.len)
		printf("A delivery report will be mailed to <%.*s>.\n", STR_ARG(s.envelope.sender));
	recipients_free(&s.recipients);
	input_free(&s.input);
	buf_free(&s.content);
	buf_free(&s.out);
	arena_free(&s.arena);
}
