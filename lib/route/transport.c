/*
 * transport - transport_maps, searched as transport(5) says, and the tables that depend on the sender
 */
#include "lib/conf/conf.h"
#include "lib/route/route_private.h"

/* ADDRESS (user+extension@domain), then user@domain. */
static enum table_status
look_address(struct route_compiled *rc, const struct table_maps *maps,
    const struct mail_address *address, struct buf *value, struct buf *why)
{
	struct str delimiters = conf_str(rc->conf, P_recipient_delimiter);
	struct arena *a = arena_new(0);
	struct mail_address plain = *address;
	enum table_status status =
	    table_maps_lookup(maps, address_internal(address, a), true, value, why);

	plain.local = address_without_extension(address->local, delimiters, NULL);
	if (status == TABLE_NOT_FOUND && plain.local.len < address->local.len)
		status = table_maps_lookup(maps, address_internal(&plain, a), false, value, why);
	arena_free(&a);
	return status;
}

/* The domain; then those above it, as ".example.org", or as "example.org" where parents match. */
static enum table_status
look_domain(struct route_compiled *rc, struct str domain, struct buf *value, struct buf *why)
{
	struct str parents = conf_str(rc->conf, P_parent_domain_matches_subdomains), item;
	const struct table_maps *maps = &rc->maps[ROUTE_TRANSPORT_MAPS];
	enum table_status status = table_maps_lookup(maps, domain, false, value, why);
	bool parent = false;
	size_t dot;

	while (conf_list_next(&parents, &item))
		parent = parent || str_eq_nocase(item, STR("transport_maps"));
	if (domain.len > 0 && domain.data[0] == '[')
		return status;
	while (status == TABLE_NOT_FOUND && (dot = str_chr(str_from(domain, 1), '.')) != STR_NPOS) {
		domain = str_from(domain, dot + 1);
		status = table_maps_lookup(
		    maps, parent ? str_from(domain, 1) : domain, false, value, why);
	}
	return status;
}

static enum route_status
answer(enum table_status status)
{
	return status == TABLE_FOUND ? ROUTE_OK : status == TABLE_ERROR ? ROUTE_DEFER : ROUTE_FAIL;
}

enum route_status
route_transport_lookup(struct route_compiled *rc, const struct mail_address *recipient,
    struct buf *value, struct buf *why)
{
	const struct table_maps *maps = &rc->maps[ROUTE_TRANSPORT_MAPS];
	enum table_status status = TABLE_NOT_FOUND;

	if (!table_maps_any(maps))
		return ROUTE_FAIL;
	status = look_address(rc, maps, recipient, value, why);
	if (status == TABLE_NOT_FOUND && recipient->domain.len > 0)
		status = look_domain(rc, recipient->domain, value, why);
	if (status == TABLE_NOT_FOUND)
		status = table_maps_lookup(maps, STR("*"), false, value, why);
	return answer(status);
}

/* SENDER with and without its extension, then "@domain". */
static enum table_status
look_sender(struct route_compiled *rc, const struct table_maps *maps, struct str sender,
    struct buf *value, struct buf *why)
{
	struct mail_address address;
	struct buf bad = {0};
	struct arena *a = arena_new(0);
	enum table_status status;

	/* What is no address is looked up as it stands: it may have an entry of its own. */
	if (!address_parse(
		sender, ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL, a, &address, &bad))
		address = (struct mail_address){sender, STR_EMPTY, false};
	status = look_address(rc, maps, &address, value, why);
	if (status == TABLE_NOT_FOUND && address.domain.len > 0)
		status = table_maps_lookup(
		    maps, arena_printf(a, "@%.*s", STR_ARG(address.domain)), false, value, why);
	arena_free(&a);
	buf_free(&bad);
	return status;
}

enum route_status
route_sender_lookup(struct route_compiled *rc, enum route_maps_of which, struct str sender,
    struct str null_key, struct buf *value, struct buf *why)
{
	const struct table_maps *maps = &rc->maps[which];
	enum table_status status;
	struct str found;

	if (!table_maps_any(maps))
		return ROUTE_FAIL;
	if (sender.len == 0)
		status = table_maps_lookup(maps, null_key, true, value, why);
	else
		status = look_sender(rc, maps, sender, value, why);
	found = str_trim(buf_view(value));
	if (status == TABLE_FOUND && (found.len == 0 || str_eq_nocase(found, STR("DUNNO"))))
		return ROUTE_FAIL;
	return answer(status);
}
