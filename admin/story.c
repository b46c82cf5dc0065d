/* story - what the log says of one message: see story.h */
#include "admin/story.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/mail/replies.h"

#define EVENTS_MAX 10000
#define LINE_MAX_BYTES 8192
#define SYSLOG_DATE 15 /* "Nov 22 06:07:42" */

struct event {
	char *when, *words, *last;
	const struct reply_advice *advice;
	size_t times;
};

struct story {
	char *marker; /* "]: ID: " */
	struct event *events;
	size_t n, cap, lines, left_out;
	struct hash *latest; /* recipient → its last event's place, plus 1 */
	struct hash
	    *reasons; /* of results that were told: an agent logs some of them itself, too */
	bool active_seen, over, deleted;
};

struct story *
story_new(struct str id)
{
	struct story *s = MEM_NEW(struct story);
	struct buf marker = {0};

	buf_printf(&marker, "]: %.*s: ", STR_ARG(id));
	s->marker = buf_take(&marker);
	s->latest = hash_new();
	s->reasons = hash_new();
	return s;
}

void
story_free(struct story **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->n; i++) {
		free((*s)->events[i].when);
		free((*s)->events[i].words);
		free((*s)->events[i].last);
	}
	free((*s)->events);
	free((*s)->marker);
	hash_free(&(*s)->latest, NULL);
	hash_free(&(*s)->reasons, NULL);
	free(*s);
	*s = NULL;
}

/* ---- Taking a line apart --------------------------------------------------------------------- */

struct line {
	struct str when, program, text;
};

static bool
split_line(const struct story *s, struct str raw, struct line *l)
{
	size_t at = str_find(raw, str_c(s->marker)), open, start;

	if (at == STR_NPOS)
		return false;
	l->text = str_trim_end(str_from(raw, at + strlen(s->marker)));
	raw = str_sub(raw, 0, at);
	open = str_rchr(raw, '[');
	if (open == STR_NPOS)
		return false;
	raw = str_sub(raw, 0, open);
	start = str_rchr(raw, ' ');
	l->program = str_from(raw, start == STR_NPOS ? 0 : start + 1);
	start = str_rchr(l->program, '/');
	if (start != STR_NPOS)
		l->program = str_from(l->program, start + 1);
	/* "Nov 22 06:07:42 host …" or "2026-11-22T06:07:42+00:00 host …" */
	l->when = raw.len > SYSLOG_DATE && raw.data[3] == ' ' ? str_sub(raw, 0, SYSLOG_DATE)
							      : str_sub(raw, 0, str_chr(raw, ' '));
	return true;
}

/* What stands between FROM and TO in TEXT; empty when they are not there. */
static struct str
between(struct str text, struct str from, struct str to)
{
	size_t at = str_find(text, from), end;

	if (at == STR_NPOS)
		return STR_EMPTY;
	text = str_from(text, at + from.len);
	end = str_find(text, to);
	return end == STR_NPOS ? text : str_sub(text, 0, end);
}

/* ---- Words ----------------------------------------------------------------------------------- */

static const struct {
	const char *status, *words;
	bool bad; /* the reason is explained; for what still waits the queue's part does */
} fates[] = {
    {"sent", "delivered", false},
    {"deferred", "not yet", false},
    {"bounced", "refused for good", true},
    {"SOFTBOUNCE", "refused, but kept (soft_bounce)", true},
    {"expired", "given up", true},
    {"deliverable", "would be delivered", false},
    {"undeliverable", "could not be delivered", true},
};

/* "to=<…>, relay=…, dsn=…, status=deferred (reason)" */
/* What stands in parentheses behind the status. */
static struct str
reason_of(struct str text)
{
	struct str status = between(text, STR(", status="), STR(" ("));
	struct str reason = str_from(between(text, STR(", status="), STR("\n")), status.len + 2);

	return str_ends_nocase(reason, STR(")")) ? str_sub(reason, 0, reason.len - 1) : reason;
}

static void
delivery_words(struct str text, struct buf *out, const struct reply_advice **advice)
{
	struct str to = between(text, STR("to=<"), STR(">, "));
	struct str relay = between(text, STR(", relay="), STR(", "));
	struct str dsn = between(text, STR(", dsn="), STR(", "));
	struct str status = between(text, STR(", status="), STR(" ("));
	struct str reason = reason_of(text);
	const char *words = NULL;

	for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++)
		if (str_eq(status, str_c(fates[i].status))) {
			words = fates[i].words;
			if (fates[i].bad)
				*advice = reply_advice(reason, dsn);
		}
	buf_printf(out, "<%.*s>: ", STR_ARG(to));
	if (words)
		buf_puts(out, words);
	else
		buf_str(out, status);
	if (relay.len && !str_eq(relay, STR("none")) && str_find(reason, relay) == STR_NPOS)
		buf_printf(out, ", by %.*s", STR_ARG(relay));
	buf_puts(out, ": ");
	buf_str(out, reason);
}

/* What begins with a word that is understood: FRONT is replaced by WORDS. */
static const struct {
	const char *front, *words;
} plain[] = {
    {"client=", "came by SMTP from "},
    {"uid=", "came from the local user with the number "},
    {"message-id=", "its Message-ID is "},
    {"warning: header ", "header noted: "},
    {"removed", "all is done: it has left the queue"},
    {"sender non-delivery notification: ", "its sender is told of the failure by message "},
    {"sender delay notification: ", "its sender is told of the delay by message "},
    {"sender delivery status notification: ", "its sender is told of the delivery by message "},
};

static bool
is_postsuper(const struct line *l)
{
	return str_eq(l->program, STR("postsuper"));
}

static void
plain_words(struct story *s, const struct line *l, struct buf *out)
{
	if (str_starts(l->text, STR("from=<")) &&
	    str_find(l->text, STR(" (queue active)")) != STR_NPOS) {
		struct str from = between(l->text, STR("from=<"), STR(">, size="));
		struct str size = between(l->text, STR(">, size="), STR(", "));
		struct str nrcpt = between(l->text, STR(", nrcpt="), STR(" "));

		if (s->active_seen)
			buf_puts(out, "another attempt begins");
		else
			buf_printf(out,
			    "is in the queue: from <%.*s>, %.*s bytes, recipients: %.*s",
			    STR_ARG(from), STR_ARG(size), STR_ARG(nrcpt));
		s->active_seen = true;
		return;
	}
	if (str_starts(l->text, STR("from=<")) &&
	    str_find(l->text, STR("expired, returned to sender")) != STR_NPOS) {
		buf_puts(out, "its time in the queue is over: it is returned to its sender");
		return;
	}
	if (is_postsuper(l) && str_eq(l->text, STR("removed"))) {
		buf_puts(out, "the administrator has deleted it (postsuper -d)");
		return;
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (str_starts(l->text, str_c(plain[i].front))) {
			buf_puts(out, plain[i].words);
			buf_str(out, str_from(l->text, strlen(plain[i].front)));
			return;
		}
	buf_str(out, l->text);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static char *
printable(struct str s)
{
	char *copy = str_dup(s);

	log_printable(copy, s.len);
	return copy;
}

static void
add_event(
    struct story *s, const struct line *l, struct str words, const struct reply_advice *advice)
{
	if (s->n == EVENTS_MAX) {
		s->left_out++;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 32;
		s->events = mem_resize(s->events, s->cap * sizeof(*s->events));
	}
	s->events[s->n++] = (struct event){
	    .when = printable(l->when), .words = printable(words), .advice = advice, .times = 1};
}

/* The same of the same recipient as before: counted. */
static bool
repeated(struct story *s, const struct line *l, struct str to, struct str words)
{
	size_t place = (size_t)hash_get(s->latest, to);
	struct event *e = place ? &s->events[place - 1] : NULL;
	char *text = printable(words);
	bool same = e && strcmp(e->words, text) == 0;

	free(text);
	if (!same)
		return false;
	free(e->last);
	e->last = printable(l->when);
	e->times++;
	return true;
}

void
story_line(struct story *s, struct str raw)
{
	const struct reply_advice *advice = NULL;
	struct buf words = {0};
	struct line l;
	struct str to;

	if (!split_line(s, raw, &l))
		return;
	s->lines++;
	if (!str_starts(l.text, STR("to=<"))) {
		bool again = s->active_seen;

		plain_words(s, &l, &words);
		s->over = str_eq(l.text, STR("removed"));
		s->deleted = s->over && is_postsuper(&l);
		/* That an attempt begins is seen by its results. */
		if ((!again || !str_eq(buf_view(&words), STR("another attempt begins"))) &&
		    !hash_get(s->reasons, l.text))
			add_event(s, &l, buf_view(&words), NULL);
	} else {
		to = between(l.text, STR("to=<"), STR(">, "));
		delivery_words(l.text, &words, &advice);
		if (!repeated(s, &l, to, buf_view(&words))) {
			add_event(s, &l, buf_view(&words), advice);
			if (s->left_out == 0) {
				hash_put(s->latest, to, (void *)s->n);
				hash_put(s->reasons, reason_of(l.text), s);
			}
		}
	}
	buf_free(&words);
}

void
story_read(struct story *s, FILE *file)
{
	char *line = mem_alloc(LINE_MAX_BYTES);
	bool middle = false; /* of a line that is longer than any of ours */

	while (fgets(line, LINE_MAX_BYTES, file)) {
		size_t len = strlen(line);

		if (!middle)
			story_line(s, str_n(line, len));
		middle = len == 0 || line[len - 1] != '\n';
	}
	free(line);
}

size_t
story_lines(const struct story *s)
{
	return s->lines;
}

bool
story_over(const struct story *s)
{
	return s->over;
}

bool
story_deleted(const struct story *s)
{
	return s->deleted;
}

void
story_tell(const struct story *s, FILE *out)
{
	const struct reply_advice *told = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct event *e = &s->events[i];

		fprintf(out, "  %s  %s\n", e->when, e->words);
		if (e->times > 1)
			fprintf(out, "      the same %zu times more, last at %s\n", e->times - 1,
			    e->last);
		if (e->advice && e->advice != told) {
			fprintf(out, "      What it means: %s\n", e->advice->cause);
			fprintf(out, "      What helps: %s\n", e->advice->remedy);
			told = e->advice;
		}
	}
	if (s->left_out)
		fprintf(out, "  ... and %zu lines more\n", s->left_out);
}
