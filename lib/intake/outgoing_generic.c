/*
 * outgoing_generic - smtp_generic_maps, searched as generic(5) says
 *
 * Addresses in headers are a stranger's, what tables make of them the administrator's.
 */
#include "lib/intake/intake.h"
#include "lib/intake/outgoing_private.h"
#include "lib/mail/header.h"
#include "lib/mail/utf8.h"
#include "lib/route/route.h"

#define FIELD_ADDRESSES_MAX 2000 /* of one field; those behind stay as they are */

/* Is mail for DOMAIN this machine's own, so that the user alone is a key? */
static enum table_status
is_local(const struct outgoing_rules *r, struct str domain, struct buf *why)
{
	enum table_status status;

	if (domain.len == 0 || str_eq_nocase(domain, conf_str(r->conf, P_myorigin)))
		return TABLE_FOUND;
	if (r->local_broken.len > 0) {
		buf_str(why, buf_view(&r->local_broken));
		return TABLE_ERROR;
	}
	status = match_list_has(r->mydestination, domain, STR_EMPTY, why);
	if (status == TABLE_NOT_FOUND)
		status = route_own_literal(r->own_addresses, domain, why);
	return status;
}

/* One search: an address and what of it no key had. */
struct search {
	const struct outgoing_rules *r;
	const struct mail_address *address;
	struct str bare, extension; /* of the local part; the extension with its delimiter */
	bool unmatched;             /* what was found was found without the extension */
	struct arena *a;
	struct buf *value, *why;
};

static enum table_status
look(struct search *s, struct str key, bool whole)
{
	return table_maps_lookup(&s->r->maps[OUTGOING_GENERIC], key, whole, s->value, s->why);
}

/* The key without the extension, if there is one. */
static enum table_status
look_bare(struct search *s, struct str domain)
{
	struct mail_address plain = {s->bare, domain, false};
	enum table_status status = TABLE_NOT_FOUND;

	if (s->extension.len > 0)
		status = look(s, address_internal(&plain, s->a), false);
	s->unmatched = status == TABLE_FOUND;
	return status;
}

static enum table_status
search(struct search *s)
{
	struct str domain = s->address->domain;
	enum table_status status = look(s, address_internal(s->address, s->a), true), local;

	if (status == TABLE_NOT_FOUND)
		status = look_bare(s, domain);
	if (status == TABLE_NOT_FOUND && domain.len > 0) {
		local = is_local(s->r, domain, s->why);
		if (local == TABLE_FOUND)
			status = look(s, s->address->local, false);
		if (local == TABLE_FOUND && status == TABLE_NOT_FOUND)
			status = look_bare(s, STR_EMPTY);
		if (local == TABLE_ERROR)
			status = local;
	}
	if (status == TABLE_NOT_FOUND && domain.len > 0)
		status = look(s, arena_printf(s->a, "@%.*s", STR_ARG(domain)), false);
	return status;
}

/* What was found, as an address. */
static bool
understand(struct search *s, struct mail_address *result)
{
	struct str value = arena_str(s->a, str_trim(buf_view(s->value)));
	struct buf bad = {0};
	bool ok = true;

	if (str_starts(value, STR("@")) && address_valid_domain(str_from(value, 1), true)) {
		result->local = s->unmatched ? s->bare : s->address->local;
		result->domain = str_from(value, 1);
	} else {
		ok = address_parse(value, ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL,
		    s->a, result, &bad);
	}
	buf_free(&bad);
	if (!ok) {
		buf_printf(s->why, "%s: \"%.*s\" for \"%.*s\" is not an address",
		    s->r->maps[OUTGOING_GENERIC].param, STR_ARG(value),
		    STR_ARG(address_internal(s->address, s->a)));
		return false;
	}
	if (s->unmatched && s->r->propagate)
		result->local =
		    arena_printf(s->a, "%.*s%.*s", STR_ARG(result->local), STR_ARG(s->extension));
	intake_qualify(s->r->conf, s->a, result);
	result->utf8 = utf8_8bit(result->local) || utf8_8bit(result->domain);
	return true;
}

enum outgoing_status
outgoing_generic(const struct outgoing_rules *r, const struct mail_address *address,
    struct arena *a, struct mail_address *result, bool *changed, struct buf *why)
{
	struct buf value = {0};
	struct search s = {.r = r, .address = address, .a = a, .value = &value, .why = why};
	enum outgoing_status status = OUTGOING_OK;

	s.bare = address_without_extension(
	    address->local, conf_str(r->conf, P_recipient_delimiter), NULL);
	s.extension = str_from(address->local, s.bare.len);
	*changed = false;
	*result = *address;
	switch (search(&s)) {
	case TABLE_ERROR:
		status = outgoing_table_failed(why);
		break;
	case TABLE_FOUND:
		*changed = understand(&s, result);
		if (!*changed)
			status = outgoing_table_failed(why);
		break;
	case TABLE_NOT_FOUND:
		break;
	}
	buf_free(&value);
	return status;
}

/* --- Header fields -------------------------------------------------------------------------- */

struct field {
	const struct outgoing_rules *r;
	struct arena *a;
	enum outgoing_status status;
	struct buf *why;
};

static enum header_mapped
map_one(void *arg, const struct header_address *in, struct buf *out)
{
	struct field *f = arg;
	struct mail_address address = {in->local, in->domain, false}, result;
	bool changed;

	arena_reset(f->a);
	f->status = outgoing_generic(f->r, &address, f->a, &result, &changed, f->why);
	if (f->status != OUTGOING_OK)
		return HEADER_MAP_STOPPED;
	if (!changed)
		return HEADER_MAP_SAME;
	address_write(&result, out);
	return HEADER_MAP_CHANGED;
}

enum outgoing_status
outgoing_generic_field(const struct outgoing_rules *r, struct str value, struct buf *out,
    bool *changed, struct buf *why)
{
	struct field f = {.r = r, .a = arena_new(1024), .why = why};

	*changed = header_map(value, FIELD_ADDRESSES_MAX, map_one, &f, out) == HEADER_MAP_CHANGED;
	arena_free(&f.a);
	return f.status;
}
