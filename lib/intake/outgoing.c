/*
 * outgoing - the rules, and what they do to addresses of the envelope, replies and results
 *
 * The rules are the administrator's; replies are a stranger's.
 */
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/intake/outgoing_private.h"
#include "lib/mail/dsn.h"
#include "lib/route/route.h"

#define REPLY_MAX 2048 /* as long as a line of a reply may be, whatever a table makes of it */
#define HEADER_LIMIT_MIN 1024 /* a field's name must fit, whatever header_size_limit says */

/* --- Rules ---------------------------------------------------------------------------------- */

static const struct {
	const char *smtp_name, *lmtp_name;
	enum param smtp, lmtp;
} params[OUTGOING_MAPS] = {
    [OUTGOING_HEADER_CHECKS] = {"smtp_header_checks", "lmtp_header_checks", P_smtp_header_checks,
	P_lmtp_header_checks},
    [OUTGOING_MIME_CHECKS] = {"smtp_mime_header_checks", "lmtp_mime_header_checks",
	P_smtp_mime_header_checks, P_lmtp_mime_header_checks},
    [OUTGOING_NESTED_CHECKS] = {"smtp_nested_header_checks", "lmtp_nested_header_checks",
	P_smtp_nested_header_checks, P_lmtp_nested_header_checks},
    [OUTGOING_BODY_CHECKS] = {"smtp_body_checks", "lmtp_body_checks", P_smtp_body_checks,
	P_lmtp_body_checks},
    [OUTGOING_GENERIC] = {"smtp_generic_maps", "lmtp_generic_maps", P_smtp_generic_maps,
	P_lmtp_generic_maps},
    [OUTGOING_REPLY_FILTER] = {"smtp_reply_filter", "lmtp_reply_filter", P_smtp_reply_filter,
	P_lmtp_reply_filter},
    [OUTGOING_STATUS_FILTER] = {"smtp_delivery_status_filter", "lmtp_delivery_status_filter",
	P_smtp_delivery_status_filter, P_lmtp_delivery_status_filter},
};

static size_t
limit(const struct conf *conf, enum param param, size_t least)
{
	int64_t n = conf_int(conf, param);

	return n < (int64_t)least ? least : (size_t)n;
}

/* Does propagate_unmatched_extensions name "generic"? */
static bool
propagates(const struct conf *conf)
{
	struct str rest = conf_str(conf, P_propagate_unmatched_extensions), item;

	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(item, STR("generic")))
			return true;
	return false;
}

/* What says whether a site is this machine. */
static void
prepare_generic(struct outgoing_rules *r, struct table_paths *paths)
{
	struct buf why = {0};

	r->propagate = propagates(r->conf);
	r->mydestination = match_list_new_preloaded(
	    MATCH_STRING, false, conf_str(r->conf, P_mydestination), "mydestination", paths, &why);
	if (!r->mydestination)
		buf_printf(&r->local_broken, "mydestination: %s", buf_cstr(&why));
	else
		r->own_addresses = route_own_addresses(r->conf, &r->local_broken);
	buf_free(&why);
}

struct outgoing_rules *
outgoing_rules_new(const struct conf *conf, bool lmtp, struct table_paths *paths, struct buf *why)
{
	struct outgoing_rules *r = MEM_NEW(struct outgoing_rules);
	const struct buf *broken = &r->local_broken;

	r->conf = conf;
	r->converts = !conf_bool(conf, P_disable_mime_output_conversion);
	r->limits.field_max = limit(conf, P_header_size_limit, HEADER_LIMIT_MIN);
	r->limits.depth_max = limit(conf, P_mime_nesting_limit, 0);
	r->limits.boundary_max = limit(conf, P_mime_boundary_length_limit, 0);
	for (enum outgoing_maps m = 0; m < OUTGOING_MAPS; m++)
		table_maps_preload(&r->maps[m],
		    conf_str(conf, lmtp ? params[m].lmtp : params[m].smtp),
		    lmtp ? params[m].lmtp_name : params[m].smtp_name, paths);
	if (table_maps_any(&r->maps[OUTGOING_GENERIC]))
		prepare_generic(r, paths);
	for (enum outgoing_maps m = 0; m < OUTGOING_MAPS; m++)
		if (r->maps[m].broken.len > 0)
			broken = &r->maps[m].broken;
	buf_str(why, buf_view(broken));
	return r;
}

void
outgoing_rules_free(struct outgoing_rules **link)
{
	struct outgoing_rules *r = *link;

	if (!r)
		return;
	*link = NULL;
	for (enum outgoing_maps m = 0; m < OUTGOING_MAPS; m++)
		table_maps_close(&r->maps[m]);
	match_list_free(&r->mydestination);
	match_list_free(&r->own_addresses);
	buf_free(&r->local_broken);
	free(r);
}

bool
outgoing_edits(const struct outgoing_rules *r)
{
	for (enum outgoing_maps m = OUTGOING_HEADER_CHECKS; m <= OUTGOING_GENERIC; m++)
		if (table_maps_any(&r->maps[m]))
			return true;
	return false;
}

bool
outgoing_converts(const struct outgoing_rules *r)
{
	return r->converts;
}

enum outgoing_status
outgoing_table_failed(struct buf *why)
{
	struct buf text = {0};

	buf_printf(&text, "4.3.0 %.*s", STR_ARG(buf_view(why)));
	buf_reset(why);
	buf_str(why, buf_view(&text));
	buf_free(&text);
	return OUTGOING_DEFER;
}

/* --- Envelope ------------------------------------------------------------------------------- */

enum outgoing_status
outgoing_address(const struct outgoing_rules *r, const struct mail_address *address,
    struct arena *a, struct mail_address *result, struct buf *why)
{
	bool changed;

	*result = *address;
	if (address_is_null(address) || !table_maps_any(&r->maps[OUTGOING_GENERIC]))
		return OUTGOING_OK;
	return outgoing_generic(r, address, a, result, &changed, why);
}

/* --- Replies and results -------------------------------------------------------------------- */

enum outgoing_status
outgoing_reply(const struct outgoing_rules *r, struct str line, struct buf *out, struct buf *why)
{
	const struct table_maps *maps = &r->maps[OUTGOING_REPLY_FILTER];
	struct buf value = {0};
	enum table_status status = TABLE_NOT_FOUND;
	size_t end;

	if (table_maps_any(maps))
		status = table_maps_lookup(maps, line, true, &value, why);
	if (status == TABLE_FOUND) {
		line = str_sub(buf_view(&value), 0, REPLY_MAX);
		for (end = 0; end < line.len && line.data[end] != '\r' && line.data[end] != '\n';)
			end++;
		line = str_sub(line, 0, end);
	}
	if (status != TABLE_ERROR)
		buf_str(out, line);
	buf_free(&value);
	return status == TABLE_ERROR ? outgoing_table_failed(why) : OUTGOING_OK;
}

/* "5.1.1 text": the code, and what follows it. */
static bool
split_result(struct str value, struct str *dsn, struct str *text)
{
	size_t blank = str_chr(value, ' ');

	*dsn = str_sub(value, 0, blank);
	*text = blank == STR_NPOS ? STR_EMPTY : str_trim(str_from(value, blank));
	return dsn_valid(*dsn) && text->len > 0;
}

void
outgoing_result(const struct outgoing_rules *r, struct str dsn, struct str text,
    struct buf *new_dsn, struct buf *new_text)
{
	const struct table_maps *maps = &r->maps[OUTGOING_STATUS_FILTER];
	struct buf key = {0}, value = {0}, why = {0};
	struct str got_dsn, got_text;

	if (!table_maps_any(maps))
		return;
	buf_printf(&key, "%.*s %.*s", STR_ARG(dsn), STR_ARG(text));
	switch (table_maps_lookup(maps, buf_view(&key), true, &value, &why)) {
	case TABLE_ERROR:
		log_warning("%s: the result stays as it is", buf_cstr(&why));
		break;
	case TABLE_FOUND:
		if (!split_result(str_trim(buf_view(&value)), &got_dsn, &got_text) ||
		    (got_dsn.data[0] == '2') != (dsn.len > 0 && dsn.data[0] == '2')) {
			log_warning("%s: \"%.*s\" cannot stand for \"%s\": a status code and text "
				    "are needed, and a failure stays one",
			    maps->param, STR_ARG(buf_view(&value)), buf_cstr(&key));
			break;
		}
		buf_str(new_dsn, got_dsn);
		buf_str(new_text, got_text);
		break;
	case TABLE_NOT_FOUND:
		break;
	}
	buf_free(&key);
	buf_free(&value);
	buf_free(&why);
}
