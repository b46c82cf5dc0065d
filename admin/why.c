/* why - the story of one message, from queue and log: see why.h */
#include "admin/why.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/span.h"
#include "admin/story.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/mail/date.h"
#include "lib/mail/replies.h"

struct why {
	FILE *out;
	char *id;
	int64_t now;
	struct story *story;
	bool found;  /* in the queue */
	bool within; /* the last frame said that more follow */
	bool hold, active, waits;
	int64_t next, expires;
	bool forced_expire, null_sender;
	const struct reply_advice *told;
};

struct why *
why_new(const char *id, int64_t now, FILE *out)
{
	struct why *w = MEM_NEW(struct why);

	w->id = mem_strdup(id);
	w->now = now;
	w->out = out;
	w->story = story_new(str_c(id));
	fprintf(out, "Message %s\n", id);
	return w;
}

void
why_free(struct why **w)
{
	if (*w == NULL)
		return;
	story_free(&(*w)->story);
	free((*w)->id);
	free(*w);
	*w = NULL;
}

/* ---- The log --------------------------------------------------------------------------------- */

/* Reads NAME after what was rotated away before it. False: NAME cannot be read. */
static bool
read_named(struct why *w, const char *name)
{
	struct buf before = {0};
	FILE *file = fopen(name, "re"), *older;

	if (!file)
		return false;
	buf_printf(&before, "%s.1", name);
	older = fopen(buf_cstr(&before), "re");
	if (older) {
		story_read(w->story, older);
		fclose(older);
	}
	story_read(w->story, file);
	fclose(file);
	buf_free(&before);
	return true;
}

void
why_log(struct why *w, FILE *file, const char *name)
{
	const char *own = conf_cstr(conf_get(), P_maillog_file);
	const char *places[] = {*own == '/' ? own : "/var/log/mail.log", "/var/log/maillog",
	    "/var/log/mail.log", "/var/log/syslog", "/var/log/messages"};
	const size_t n = sizeof(places) / sizeof(places[0]);
	size_t i = 0;

	if (file) {
		story_read(w->story, file);
	} else {
		while (i < n && (!read_named(w, places[i]) || story_lines(w->story) == 0))
			i++;
		name = i < n ? places[i] : NULL;
	}
	if (story_lines(w->story) > 0) {
		fprintf(w->out, "\nWhat the log says (%s):\n", name);
		story_tell(w->story, w->out);
	} else {
		fprintf(w->out,
		    "\nNo log that you may read has anything of it (--log FILE names one; with "
		    "the\n"
		    "journal: journalctl -t postkeep/qmgr ... | postqueue --why %s --log -).\n",
		    w->id);
	}
}

/* ---- The queue ------------------------------------------------------------------------------- */

static void
put(struct why *w, struct str s)
{
	struct buf copy = {0};

	buf_str(&copy, s);
	log_printable(copy.data, copy.len);
	fwrite(copy.data ? copy.data : "", 1, copy.len, w->out);
	buf_free(&copy);
}

static void
put_time(struct why *w, const char *before, int64_t when, const char *after)
{
	char date[MAIL_DATE_SIZE], span[SPAN_SIZE];

	mail_date_ctime((time_t)when, date);
	fprintf(w->out, "%s%s (%s%s%s)%s", before, date, when > w->now ? "in " : "",
	    span_text(when > w->now ? when - w->now : w->now - when, span),
	    when > w->now ? "" : " ago", after);
}

static void
put_head(struct why *w, const struct msg_showq_entry *e)
{
	fputs("\nWhat the queue says:\n  from <", w->out);
	put(w, e->sender);
	fprintf(w->out, ">, %" PRIu64 " bytes\n", e->size);
	put_time(w, "  came at ", e->arrival, "");
	if (e->origin.len) {
		fputs(", from ", w->out);
		put(w, e->origin);
	}
	fputs("\n  state: ", w->out);
	put(w, e->state);
	fprintf(w->out, ", after %" PRIu64 " attempt%s\n", e->tries, e->tries == 1 ? "" : "s");
}

static void
put_rcpt(struct why *w, const struct msg_showq_rcpt *r)
{
	static const char *const fates[] = {"waits", "delivered", "refused for good",
	    "taken out of the message, or failed without its sender wanting to know"};
	const struct reply_advice *a =
	    r->fate == SHOWQ_SENT ? NULL : reply_advice(r->reason, r->dsn);

	fputs("  <", w->out);
	put(w, r->address);
	fprintf(w->out, ">: %s\n", fates[r->fate]);
	w->waits = w->waits || r->fate == SHOWQ_WAITS;
	if (r->reason.len) {
		fputs("      last answer: ", w->out);
		put(w, r->reason);
		fputc('\n', w->out);
	}
	if (a && a != w->told) {
		fprintf(w->out, "      What it means: %s\n", a->cause);
		fprintf(w->out, "      What helps: %s\n", a->remedy);
		w->told = a;
	}
	if (r->transport.len) {
		fputs("      goes by ", w->out);
		put(w, r->transport);
		/* The next hop of these is the reason itself. */
		if (r->nexthop.len && !str_eq(r->transport, STR("retry")) &&
		    !str_eq(r->transport, STR("error"))) {
			fputs(" to ", w->out);
			put(w, r->nexthop);
		}
		fputc('\n', w->out);
	}
}

void
why_entry(const struct msg_showq_entry *e, void *arg)
{
	struct why *w = arg;
	const struct msg_showq_rcpt *rcpts = e->rcpts.items;

	if (!w->within) {
		w->found = true;
		w->hold = str_eq(e->state, STR("hold"));
		w->active = str_eq(e->state, STR("active"));
		w->next = e->next;
		w->expires = e->expires;
		w->forced_expire = e->forced_expire;
		w->null_sender = e->sender.len == 0;
		put_head(w, e);
	}
	for (size_t i = 0; i < e->rcpts.count; i++)
		put_rcpt(w, &rcpts[i]);
	w->within = e->more;
}

/* ---- What comes next ------------------------------------------------------------------------- */

static void
put_next(struct why *w)
{
	fputs("\nWhat comes next:\n", w->out);
	if (w->hold)
		fprintf(
		    w->out, "  Nothing: it is on hold until root says postsuper -H %s.\n", w->id);
	else if (w->forced_expire)
		fputs("  It is given up with the next attempt, by an administrator's order.\n",
		    w->out);
	else if (w->active)
		fputs("  It is being delivered now.\n", w->out);
	else if (!w->waits)
		fputs(
		    "  Its sender is told what became of it; then it leaves the queue.\n", w->out);
	else if (w->next > w->now)
		put_time(w, "  It is tried again at ", w->next, ".\n");
	else
		fputs("  It is tried again at once.\n", w->out);
	if (w->expires > 0 && w->waits && !w->forced_expire) {
		put_time(w, "  It is given up at ", w->expires, "");
		fputs(w->null_sender ? "; nobody is told.\n" : "; then its sender is told.\n",
		    w->out);
	}
	if (w->waits && !w->hold && !w->active)
		fprintf(w->out, "  To have it tried now: postqueue -i %s\n", w->id);
}

bool
why_end(struct why *w)
{
	if (w->found) {
		put_next(w);
		return true;
	}
	if (story_over(w->story))
		fprintf(w->out, "\nIt is not in the queue any more: %s.\n",
		    story_deleted(w->story) ? "it was deleted, and nobody was told"
					    : "all was done for it");
	else
		fputs("\nThe queue does not have it, or not for you to see: it has left the queue, "
		      "or is\n"
		      "somebody else's (root sees all).\n",
		    w->out);
	return story_lines(w->story) > 0;
}
