/*
 * client - see client.h
 */
#include "smtp/client.h"

#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/route/route.h"
#include "lib/table/each.h"
#include "lib/table/table_db.h"
#include "smtp/collector.h"
#include "smtp/sts.h"

static void
preload_policy(void *arg, const char *file, size_t line, struct str key, struct str value)
{
	(void)file;
	(void)line;
	(void)key;
	tls_client_preload(arg, value);
}

/* Trust anchors and the like that a policy names; only the values of tables in reach can be known. */
static bool
prepare_tls(struct client *client, const struct conf *conf, bool lmtp)
{
	enum param maps = lmtp ? P_lmtp_tls_policy_maps : P_smtp_tls_policy_maps;
	struct str rest = conf_str(conf, maps), table;

	client->tls = tls_client_prepare(conf, lmtp ? TLS_CLIENT_LMTP : TLS_CLIENT_SMTP);
	while (conf_list_next(&rest, &table))
		table_each(table, preload_policy, client->tls);
	if (!lmtp && conf_bool(conf, P_smtp_tls_mta_sts))
		client->sts = sts_client_new("private/mtasts");
	if (!lmtp && conf_bool(conf, P_smtp_tlsrpt_enable))
		client->collector = collector_new("private/tlsrpt");
	table_maps_preload(&client->tls_policies, conf_str(conf, maps),
	    lmtp ? "lmtp_tls_policy_maps" : "smtp_tls_policy_maps", &client->paths);
	return true;
}

static bool
prepare_lists(struct client *client, const struct conf *conf, bool lmtp, struct buf *why)
{
	enum param discard = lmtp ? P_lmtp_discard_lhlo_keyword_address_maps
				  : P_smtp_discard_ehlo_keyword_address_maps;
	enum param pix = lmtp ? P_lmtp_pix_workaround_maps : P_smtp_pix_workaround_maps;
	enum param keep =
	    lmtp ? P_lmtp_connection_cache_destinations : P_smtp_connection_cache_destinations;

	table_maps_preload(&client->discard_maps, conf_str(conf, discard),
	    lmtp ? "lmtp_discard_lhlo_keyword_address_maps"
		 : "smtp_discard_ehlo_keyword_address_maps",
	    &client->paths);
	table_maps_preload(&client->pix_maps, conf_str(conf, pix),
	    lmtp ? "lmtp_pix_workaround_maps" : "smtp_pix_workaround_maps", &client->paths);
	client->keep = match_list_new_for(MATCH_DOMAIN, false, conf_str(conf, keep),
	    lmtp ? "lmtp_connection_cache_destinations" : "smtp_connection_cache_destinations",
	    true, why);
	return client->keep != NULL;
}

/* A mail server of several on one machine is known by its own address, as client too. */
static void
take_own_address(struct client *client, const struct conf *conf)
{
	struct settings *st = &client->settings;

	if (st->bind4.len == 0 && route_only_address(conf, AF_INET, &client->only4))
		st->bind4 = buf_view(&client->only4);
	if (st->bind6.len == 0 && route_only_address(conf, AF_INET6, &client->only6))
		st->bind6 = buf_view(&client->only6);
}

static void
watch_one(const char *path, void *arg)
{
	watch_add(arg, path);
}

static void
watch_all(struct client *client)
{
	client->watch = watch_new();
	for (size_t i = 0; dns_file(i); i++)
		watch_add(client->watch, dns_file(i));
	tls_client_files(client->tls, watch_one, client->watch);
	for (size_t i = 0; i < client->paths.count; i++)
		watch_add(client->watch, client->paths.list[i]);
}

bool
client_prepare(struct client *client, const struct conf *conf, bool lmtp, struct buf *why)
{
	const char *prefix = lmtp ? "lmtp" : "smtp";

	*client = (struct client){0};
	table_register_db();
	if (!settings_read(&client->settings, conf, lmtp, why) || !dns_prepare(conf, prefix, why) ||
	    !prepare_tls(client, conf, lmtp))
		return false;
	dns_filter_prepare(conf, prefix, &client->paths);
	client->own = route_own_addresses(conf, why);
	if (!client->own)
		return false;
	take_own_address(client, conf);
	/* A digest that is missing costs the mechanisms that need it, no more. */
	if (!sasl_prepare(why))
		log_warning("%s", buf_cstr(why));
	buf_reset(why);
	client->rules = outgoing_rules_new(conf, lmtp, &client->paths, why);
	if (why->len > 0)
		log_warning("%s", buf_cstr(why));
	buf_reset(why);
	if (client->settings.filter_replies)
		client->settings.rules = client->rules;
	if (!prepare_lists(client, conf, lmtp, why))
		return false;
	client->sasl = sasl_settings_new(conf, prefix, &client->paths);
	client->passwords = sasl_passwords_new(conf, prefix, &client->paths);
	watch_all(client);
	return true;
}
