/*
 * filter - PREFIX_dns_reply_filter: records that are not to be seen
 *
 * Each record is looked up as a line of text; what a table says IGNORE to is taken out. That is done to copies of
 * answers, each time: the cache has them whole, since not all who ask are filtered.
 */
#include <string.h>

#include "lib/dns/internal.h"

#define IGNORE "IGNORE"

void
dns_filter_prepare(const struct conf *conf, const char *prefix, struct table_paths *paths)
{
	bool lmtp = strcmp(prefix, "lmtp") == 0;

	table_maps_preload(&dns_get()->settings->filter,
	    conf_str(conf, lmtp ? P_lmtp_dns_reply_filter : P_smtp_dns_reply_filter),
	    lmtp ? "lmtp_dns_reply_filter" : "smtp_dns_reply_filter", paths);
}

static void
put_name(struct str name, struct buf *out)
{
	buf_str(out, name);
	if (!str_eq(name, STR(".")))
		buf_putc(out, '.');
}

/* "example.org. 300 IN MX 10 mx.example.org." */
static void
put_record(struct str owner, const struct dns_record *r, struct arena *arena, struct buf *out)
{
	put_name(owner, out);
	buf_printf(out, " %u IN %s ", (unsigned)r->ttl, dns_type_name(r->type));
	if (r->type == DNS_MX) {
		buf_printf(out, "%u ", r->preference);
		put_name(r->name, out);
	} else if (r->type == DNS_TLSA) {
		buf_printf(out, "%u %u %u ", r->tlsa.usage, r->tlsa.selector, r->tlsa.matching);
		for (size_t i = 0; i < r->tlsa.data.len; i++)
			buf_printf(out, "%02X", (unsigned char)r->tlsa.data.data[i]);
	} else {
		buf_str(out, dns_address_text(&r->address, arena));
	}
}

static bool
is_filtered(enum dns_type type)
{
	return type == DNS_A || type == DNS_AAAA || type == DNS_MX || type == DNS_TLSA;
}

/* False: WHY; nobody knows whether it is to be seen. */
static bool
is_kept(const struct table_maps *filter, struct str line, bool *kept, struct buf *why)
{
	struct buf action = {0};
	enum table_status status = table_maps_lookup(filter, line, true, &action, why);
	struct str said = str_trim(buf_view(&action)), word;
	bool ok = status != TABLE_ERROR;

	*kept = status != TABLE_FOUND;
	if (status == TABLE_FOUND) {
		ok = str_token(&said, " \t", &word) && str_eq_nocase(word, STR(IGNORE));
		if (!ok)
			buf_printf(why, "%s: unknown action \"%.*s\"", filter->param,
			    STR_ARG(buf_view(&action)));
	}
	buf_free(&action);
	return ok;
}

static void
give_up(enum dns_status status, struct str name, enum dns_type type, struct str detail,
    struct arena *arena, struct dns_answer *answer)
{
	answer->status = status;
	answer->n = 0;
	answer->why = dns_why(arena, name, type, status, detail);
}

void
dns_filter(const struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
    struct dns_answer *answer)
{
	const struct table_maps *filter = &dns->settings->filter;
	struct buf line = {0}, why = {0};
	size_t left = 0;
	bool ok = true;

	if (!table_maps_any(filter) || answer->status != DNS_OK || !is_filtered(type))
		return;
	for (size_t i = 0; i < answer->n && ok; i++) {
		bool kept;

		buf_reset(&line);
		put_record(answer->canonical, &answer->records[i], arena, &line);
		ok = is_kept(filter, buf_view(&line), &kept, &why);
		if (kept)
			answer->records[left++] = answer->records[i];
	}
	answer->n = left;
	if (!ok)
		give_up(DNS_AGAIN, name, type, buf_view(&why), arena, answer);
	else if (left == 0)
		give_up(DNS_FILTERED, name, type, str_c(filter->param), arena, answer);
	buf_free(&line);
	buf_free(&why);
}
