/*
 * endpoint - see endpoint.h
 */
#include "smtp/endpoint.h"

#include <inttypes.h>

#include "lib/base/log.h"
#include "smtp/client.h"
#include "smtp/login.h"

bool
endpoint_kept(const struct client *client, const struct servers *servers)
{
	struct buf why = {0};
	enum table_status status;

	if (client->settings.cache || !client->keep)
		return client->settings.cache;
	status = match_list_has(client->keep, servers->domain, STR_EMPTY, &why);
	if (status == TABLE_ERROR)
		log_warning("%s", buf_cstr(&why));
	buf_free(&why);
	return status == TABLE_FOUND;
}

struct str
endpoint_destination(const struct client *client, struct str hop)
{
	struct tls_policy policy = {.level = TLS_NONE};

	if (client->tls && !tls_client_fault(client->tls))
		tls_policy_default(client->tls, &policy);
	if (policy.level == TLS_DANE || policy.level == TLS_DANE_ONLY || client->sts ||
	    table_maps_any(&client->tls_policies) ||
	    (client->sasl && sasl_settings_enabled(client->sasl)))
		return STR_EMPTY;
	return hop;
}

struct str
endpoint_label(const struct delivery *d, const struct servers *servers, const struct server *server,
    const struct tls_policy *policy, const struct sasl_account *account)
{
	const struct tls_target target = {.host = server->name, .nexthop = servers->domain};
	struct buf label = {0};
	struct str copy;

	buf_printf(&label, "%.*s %u %d ", STR_ARG(server->address), server->port,
	    policy->connection_reuse);
	if (account)
		buf_printf(&label, "%" PRIx64 " ", login_fingerprint(d->client, server, account));
	else
		buf_puts(&label, "- ");
	tls_policy_key(policy, &target, d->arena, &label);
	copy = arena_str(d->arena, buf_view(&label));
	buf_free(&label);
	return copy;
}
