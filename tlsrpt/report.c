/*
 * report - see report.h
 */
#include "tlsrpt/report.h"

#include "lib/mail/json.h"
#include "tlsrpt/files.h"

#define DAY_S ((int64_t)24 * 60 * 60)

/* The next text of a list with a tab between them; unlike str_token() not without the empty ones. */
static bool
next(struct str *rest, struct str *text)
{
	size_t tab = str_chr(*rest, '\t');

	if (rest->len == 0)
		return false;
	*text = tab == STR_NPOS ? *rest : str_sub(*rest, 0, tab);
	*rest = tab == STR_NPOS ? STR_EMPTY : str_from(*rest, tab + 1);
	return true;
}

/* ["…", "…"]: all of STRINGS, or what stands behind "mx: ". */
static void
write_list(struct str strings, bool mx, struct buf *out)
{
	const char *separator = "";
	struct str text;

	buf_putc(out, '[');
	while (next(&strings, &text)) {
		if (mx && !str_starts(text, STR("mx: ")))
			continue;
		buf_puts(out, separator);
		json_string(out, mx ? str_from(text, 4) : text);
		separator = ", ";
	}
	buf_putc(out, ']');
}

static void
write_policy(const struct tally_domain *domain, const struct tally_policy *p, struct buf *out)
{
	buf_printf(out, "\"policy\": {\"policy-type\": \"%s\"", tlsrpt_policy_name(p->type));
	if (p->type != TLSRPT_NO_POLICY) {
		buf_puts(out, ", \"policy-string\": ");
		write_list(p->strings, false, out);
	}
	buf_puts(out, ", \"policy-domain\": ");
	json_string(out, domain->name);
	if (p->type == TLSRPT_STS) {
		buf_puts(out, ", \"mx-host\": ");
		write_list(p->strings, true, out);
	}
	buf_puts(out, "}, ");
}

static void
write_detail(const struct tally_detail *detail, struct buf *out)
{
	static const char *const names[TALLY_TEXTS] = {
	    [TALLY_RESULT] = "result-type",
	    [TALLY_FROM] = "sending-mta-ip",
	    [TALLY_HOST] = "receiving-mx-hostname",
	    [TALLY_ADDRESS] = "receiving-ip",
	    [TALLY_REASON] = "failure-reason-code",
	};

	buf_putc(out, '{');
	for (int i = 0; i < TALLY_TEXTS; i++) {
		struct str text = tally_text(detail, (enum tally_text)i);

		if (text.len == 0)
			continue;
		buf_printf(out, "\"%s\": ", names[i]);
		json_string(out, text);
		buf_puts(out, ", ");
	}
	buf_printf(out, "\"failed-session-count\": %llu}", (unsigned long long)detail->count);
}

static void
write_counts(const struct tally_policy *p, struct buf *out)
{
	buf_printf(out,
	    "\"summary\": {\"total-successful-session-count\": %llu, "
	    "\"total-failure-session-count\": %llu}, \"failure-details\": [",
	    (unsigned long long)p->successes, (unsigned long long)p->failures);
	for (struct list_link *l = list_first(&p->details); l; l = list_next(&p->details, l)) {
		if (l != list_first(&p->details))
			buf_puts(out, ", ");
		write_detail(LIST_ITEM(l, struct tally_detail, link), out);
	}
	buf_putc(out, ']');
}

static void
write_head(const struct report_sender *sender, const struct tally_domain *domain, int64_t day,
    struct buf *out)
{
	char date[FILES_NAME_SIZE];
	struct buf id = {0};

	files_name(day, date);
	buf_puts(out, "\"organization-name\": ");
	json_string(out, sender->organization);
	buf_printf(out,
	    ", \"date-range\": {\"start-datetime\": \"%sT00:00:00Z\", "
	    "\"end-datetime\": \"%sT23:59:59Z\"}, \"contact-info\": ",
	    date, date);
	json_string(out, sender->contact);
	/* The same report, made twice, has the same identifier: who gets both can tell. */
	buf_printf(&id, "%s.%.*s@%.*s", date, STR_ARG(domain->name), STR_ARG(sender->host));
	buf_puts(out, ", \"report-id\": ");
	json_string(out, buf_view(&id));
	buf_free(&id);
}

void
report_write(const struct report_sender *sender, const struct tally_domain *domain, int64_t day,
    struct buf *out)
{
	buf_putc(out, '{');
	write_head(sender, domain, day, out);
	buf_puts(out, ", \"policies\": [");
	for (struct list_link *l = list_first(&domain->policies); l;
	     l = list_next(&domain->policies, l)) {
		const struct tally_policy *p = LIST_ITEM(l, struct tally_policy, link);

		buf_puts(out, l == list_first(&domain->policies) ? "{" : ", {");
		write_policy(domain, p, out);
		write_counts(p, out);
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
}

void
report_file_name(const struct report_sender *sender, const struct tally_domain *domain, int64_t day,
    struct buf *out)
{
	size_t at = str_rchr(sender->contact, '@');

	buf_printf(out, "%.*s!%.*s!%lld!%lld.json",
	    STR_ARG(at == STR_NPOS ? sender->host : str_from(sender->contact, at + 1)),
	    STR_ARG(domain->name), (long long)(day * DAY_S), (long long)(day * DAY_S + DAY_S - 1));
}
