/*
 * listing - the formats of mailq and of postqueue -j, as Postfix has them for long queue IDs
 *
 * Addresses and reasons come from strangers: for a terminal they are made printable, for JSON they are
 * escaped. See listing.h.
 */
#include "admin/listing.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "admin/span.h"
#include "lib/base/log.h"
#include "lib/mail/date.h"
#include "lib/mail/json.h"

#define REASON_WIDTH 76 /* reasons end at this column, without the parentheses */
#define MARGIN 19       /* where the third column begins, and one more */
#define DATE_LENGTH 19  /* "Sun Nov 22 06:12:00", without the year */

/* ---- For people ------------------------------------------------------------------------------ */

static void
put_printable(FILE *out, struct str s)
{
	struct buf copy = {0};

	buf_str(&copy, s);
	log_printable(copy.data, copy.len);
	if (copy.len > 0)
		fwrite(copy.data, 1, copy.len, out);
	buf_free(&copy);
}

static void
text_head(struct listing *l, const struct msg_showq_entry *e)
{
	char date[MAIL_DATE_SIZE];
	char id[MSG_ID_MAX + 4];

	if (l->messages == 1)
		fprintf(l->out, "%-17s %8s %-19s %s\n", "----Queue ID-----", "--Size--",
		    "---Arrival Time----", "--Sender/Recipient------");
	else
		fputc('\n', l->out);
	snprintf(id, sizeof(id), "%.*s%s%s", STR_ARG(str_sub(e->id, 0, MSG_ID_MAX)),
	    str_eq(e->state, STR("active"))     ? "*"
		: str_eq(e->state, STR("hold")) ? "!"
						: "",
	    e->forced_expire ? "#" : "");
	mail_date_ctime((time_t)e->arrival, date);
	fprintf(l->out, "%-17s %8" PRIu64 " %.*s ", id, e->size, DATE_LENGTH, date);
	put_printable(l->out, e->sender);
	fputc('\n', l->out);
	if (l->next && e->next > l->now) {
		char span[SPAN_SIZE];

		mail_date_ctime((time_t)e->next, date);
		fprintf(l->out, "%*s(next attempt %.*s, in %s)\n", MARGIN, "", DATE_LENGTH, date,
		    span_text(e->next - l->now, span));
	}
}

/* A reason is shown once for the recipients that share it. */
static void
text_rcpt(struct listing *l, const struct msg_showq_rcpt *r)
{
	if (!str_eq(buf_view(&l->reason), r->reason)) {
		struct str shown = r->reason.len ? r->reason : STR("reason unavailable");
		int padding = shown.len < REASON_WIDTH ? (int)(REASON_WIDTH - shown.len) : 0;

		fprintf(l->out, "%*s(", padding, "");
		put_printable(l->out, shown);
		fputs(")\n", l->out);
		buf_reset(&l->reason);
		buf_str(&l->reason, r->reason);
	}
	fprintf(l->out, "%-17s %8s %-19s ", "", "", "");
	put_printable(l->out, r->address);
	fputc('\n', l->out);
}

/* ---- For programs ---------------------------------------------------------------------------- */

static void
put_json(FILE *out, struct str s)
{
	struct buf text = {0};

	json_string(&text, s);
	fwrite(text.data, 1, text.len, out);
	buf_free(&text);
}

static void
json_head(struct listing *l, const struct msg_showq_entry *e)
{
	fputs("{\"queue_name\": ", l->out);
	put_json(l->out, e->state);
	fputs(", \"queue_id\": ", l->out);
	put_json(l->out, e->id);
	fprintf(l->out,
	    ", \"arrival_time\": %" PRId64 ", \"message_size\": %" PRIu64
	    ", \"forced_expire\": %s, \"sender\": ",
	    e->arrival, e->size, e->forced_expire ? "true" : "false");
	put_json(l->out, e->sender);
	if (e->next > 0)
		fprintf(l->out, ", \"next_attempt\": %" PRId64, e->next);
	if (e->expires > 0)
		fprintf(l->out, ", \"expires\": %" PRId64 ", \"attempts\": %" PRIu64, e->expires,
		    e->tries);
	fputs(", \"recipients\": [", l->out);
}

static void
json_rcpt(struct listing *l, const struct msg_showq_rcpt *r)
{
	if (l->rcpts > 0)
		fputs(", ", l->out);
	fputs("{\"address\": ", l->out);
	put_json(l->out, r->address);
	if (r->reason.len) {
		fputs(", \"delay_reason\": ", l->out);
		put_json(l->out, r->reason);
	}
	if (r->dsn.len) {
		fputs(", \"status\": ", l->out);
		put_json(l->out, r->dsn);
	}
	if (r->transport.len) {
		fputs(", \"transport\": ", l->out);
		put_json(l->out, r->transport);
		fputs(", \"nexthop\": ", l->out);
		put_json(l->out, r->nexthop);
	}
	fputc('}', l->out);
}

/* ---- Both ------------------------------------------------------------------------------------ */

void
listing_entry(struct listing *l, const struct msg_showq_entry *e)
{
	const struct msg_showq_rcpt *rcpts = e->rcpts.items;

	if (!l->within) {
		l->messages++;
		l->bytes += e->size;
		l->rcpts = 0;
		buf_reset(&l->reason);
		if (l->json)
			json_head(l, e);
		else
			text_head(l, e);
	}
	for (size_t i = 0; i < e->rcpts.count; i++) {
		if (l->json)
			json_rcpt(l, &rcpts[i]);
		else
			text_rcpt(l, &rcpts[i]);
		l->rcpts++;
	}
	l->within = e->more;
	if (!e->more && l->json)
		fputs("]}\n", l->out);
}

const char *
listing_nothing(bool hidden)
{
	return hidden ? "No mail of yours is in the queue\n" : "Mail queue is empty\n";
}

void
listing_end(struct listing *l)
{
	if (!l->json && l->messages == 0)
		fputs(listing_nothing(l->hidden), l->out);
	else if (!l->json)
		fprintf(l->out, "\n-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s.\n",
		    l->bytes / 1024, l->messages, l->messages == 1 ? "" : "s");
	buf_free(&l->reason);
}
