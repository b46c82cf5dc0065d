/*
 * transport - the optional transport_maps, searched as transport(5) says
 */
#include "lib/conf/conf.h"
#include "lib/route/route_private.h"

/* KEY in all tables, in their order. */
static enum table_status
look(struct route_compiled *rc, struct str key, struct buf *value, struct buf *why)
{
	enum table_status status = TABLE_NOT_FOUND;

	for (size_t i = 0; i < rc->n_transport_maps && status == TABLE_NOT_FOUND; i++)
		status = table_lookup(rc->transport_maps[i], key, value, why);
	return status;
}

/* user+extension@domain, then user@domain. */
static enum table_status
look_address(struct route_compiled *rc, const struct mail_address *recipient, struct buf *value,
    struct buf *why)
{
	struct str delimiters = conf_str(rc->conf, P_recipient_delimiter);
	struct arena *a = arena_new(0);
	struct mail_address plain = *recipient;
	enum table_status status = look(rc, address_internal(recipient, a), value, why);

	plain.local = address_without_extension(recipient->local, delimiters, NULL);
	if (status == TABLE_NOT_FOUND && plain.local.len < recipient->local.len)
		status = look(rc, address_internal(&plain, a), value, why);
	arena_free(&a);
	return status;
}

/* The domain; then those above it, as ".example.org", or as "example.org" where parents match. */
static enum table_status
look_domain(struct route_compiled *rc, struct str domain, struct buf *value, struct buf *why)
{
	struct str parents = conf_str(rc->conf, P_parent_domain_matches_subdomains), item;
	enum table_status status = look(rc, domain, value, why);
	bool parent = false;
	size_t dot;

	while (conf_list_next(&parents, &item))
		parent = parent || str_eq_nocase(item, STR("transport_maps"));
	if (domain.len > 0 && domain.data[0] == '[')
		return status;
	while (status == TABLE_NOT_FOUND && (dot = str_chr(str_from(domain, 1), '.')) != STR_NPOS) {
		domain = str_from(domain, dot + 1);
		status = look(rc, parent ? str_from(domain, 1) : domain, value, why);
	}
	return status;
}

enum route_status
route_transport_lookup(struct route_compiled *rc, const struct mail_address *recipient,
    struct buf *value, struct buf *why)
{
	enum table_status status = TABLE_NOT_FOUND;

	if (rc->transport_broken.len > 0) {
		buf_str(why, buf_view(&rc->transport_broken));
		return ROUTE_DEFER;
	}
	if (rc->n_transport_maps == 0)
		return ROUTE_FAIL;
	status = look_address(rc, recipient, value, why);
	if (status == TABLE_NOT_FOUND && recipient->domain.len > 0)
		status = look_domain(rc, recipient->domain, value, why);
	if (status == TABLE_NOT_FOUND)
		status = look(rc, STR("*"), value, why);
	return status == TABLE_FOUND ? ROUTE_OK : status == TABLE_ERROR ? ROUTE_DEFER : ROUTE_FAIL;
}
