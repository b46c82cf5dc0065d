/*
 * settings - parameters and the system's files, read once
 *
 * Before confinement, as root or as who starts the program. Of the files those that are missing are as empty
 * ones; what they mean then stands in their pages in section 5.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/dns/internal.h"

#define FILE_MAX ((size_t)32 * 1024 * 1024) /* hosts files that block advertisements are long */

const struct dns_paths dns_system_paths = {
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/services",
};

/* The parameters as the client of SMTP and that of LMTP call them. */
struct names {
	const char *prefix;
	enum param level, lookup, options, preference, balance, limit, randomize, defer;
};

static const struct names *
names_of(const char *prefix)
{
	static const struct names names[] = {
	    {"smtp", P_smtp_dns_support_level, P_smtp_host_lookup, P_smtp_dns_resolver_options,
		P_smtp_address_preference, P_smtp_balance_inet_protocols, P_smtp_mx_address_limit,
		P_smtp_randomize_addresses, P_smtp_defer_if_no_mx_address_found},
	    {"lmtp", P_lmtp_dns_support_level, P_lmtp_host_lookup, P_lmtp_dns_resolver_options,
		P_lmtp_address_preference, P_lmtp_balance_inet_protocols, P_lmtp_mx_address_limit,
		P_lmtp_randomize_addresses, P_lmtp_defer_if_no_mx_address_found},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].prefix, prefix) == 0)
			return &names[i];
	log_panic("dns: no parameters begin with \"%s\"", prefix);
}

static bool
list_has(const struct conf *conf, enum param p, struct str word)
{
	struct str rest = conf_str(conf, p), item;

	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(item, word))
			return true;
	return false;
}

/* --- Files ------------------------------------------------------------------------------------------ */

static void
read_file(const char *path, struct buf *text)
{
	buf_reset(text);
	if (io_read_file(path, FILE_MAX, text) != 0 && errno != ENOENT)
		log_warning("%s: %s", path, strerror(errno));
}

/* Where neither "search" nor "domain" is said, the domain is that of this machine's name. */
static void
default_search(struct dns_resolv *resolv, struct arena *arena)
{
	char name[256];
	struct str host;
	size_t dot;

	if (resolv->n_search > 0 || gethostname(name, sizeof(name)) != 0)
		return;
	name[sizeof(name) - 1] = '\0';
	host = str_c(name);
	dot = str_chr(host, '.');
	if (dot != STR_NPOS && dns_name_normal(str_from(host, dot + 1), arena, &resolv->search[0]))
		resolv->n_search = 1;
}

static void
read_services(struct str text, struct hash *services)
{
	struct str line, name, port, word;
	uint64_t number;

	while (str_token(&text, "\n", &line)) {
		line = str_sub(line, 0, str_chr(line, '#'));
		if (!str_token(&line, " \t\r", &name) || !str_token(&line, " \t\r", &port) ||
		    !str_ends_nocase(port, STR("/tcp")) ||
		    !str_to_u64(str_sub(port, 0, port.len - 4), 65535, &number))
			continue;
		hash_put(services, name, (void *)(uintptr_t)(number + 1));
		while (str_token(&line, " \t\r", &word))
			if (!hash_get(services, word))
				hash_put(services, word, (void *)(uintptr_t)(number + 1));
	}
}

/* What is to be watched: the name, and where it leads (resolv.conf is often a link to what a daemon writes). */
static void
note_file(struct dns_settings *s, const char *path)
{
	char *real = realpath(path, NULL);

	s->files[s->n_files++] = arena_cstr(s->arena, str_c(path));
	if (real && strcmp(real, path) != 0)
		s->files[s->n_files++] = arena_cstr(s->arena, str_c(real));
	free(real);
}

static void
read_files(struct dns_settings *s, const struct dns_paths *paths)
{
	struct buf text = {0};

	read_file(paths->resolv_conf, &text);
	dns_resolv_parse(buf_view(&text), s->arena, &s->resolv);
	default_search(&s->resolv, s->arena);
	read_file(paths->hosts, &text);
	s->hosts = dns_hosts_parse(buf_view(&text));
	read_file(paths->nsswitch_conf, &text);
	dns_nsswitch_parse(buf_view(&text), s->native);
	read_file(paths->services, &text);
	s->services = hash_new();
	read_services(buf_view(&text), s->services);
	buf_free(&text);
	note_file(s, paths->resolv_conf);
	note_file(s, paths->hosts);
	note_file(s, paths->nsswitch_conf);
	note_file(s, paths->services);
}

/* --- Parameters ------------------------------------------------------------------------------------- */

static bool
own_servers(const struct conf *conf, struct dns_settings *s, struct buf *why)
{
	struct str rest = conf_str(conf, P_dns_servers), item;
	size_t n = 0;

	while (conf_list_next(&rest, &item)) {
		if (n == DNS_SERVERS_MAX) {
			buf_printf(why, "dns_servers: more than %d servers", DNS_SERVERS_MAX);
			return false;
		}
		if (!dns_server_parse(item, s->arena, &s->resolv.servers[n++])) {
			buf_printf(why,
			    "dns_servers: \"%.*s\" is no address, address:port or [address]:port",
			    STR_ARG(item));
			return false;
		}
	}
	if (n > 0) {
		s->resolv.n_servers = n;
		s->resolv.trust_ad = false;
	} else if (s->resolv.n_servers == 0) {
		dns_server_parse(STR("127.0.0.1"), s->arena, &s->resolv.servers[0]);
		s->resolv.n_servers = 1;
	}
	return true;
}

/* Whether what a server says of DNSSEC came to us untouched. */
static bool
servers_trusted(const struct dns_resolv *resolv)
{
	for (size_t i = 0; i < resolv->n_servers; i++)
		if (!dns_is_loopback(&resolv->servers[i].address))
			return resolv->trust_ad;
	return true;
}

static enum dns_level
level_of(const struct conf *conf, enum param p)
{
	enum { EMPTY, DISABLED, ENABLED, DNSSEC };

	switch (conf_enum(conf, p)) {
	case DISABLED:
		return DNS_LEVEL_DISABLED;
	case ENABLED:
		return DNS_LEVEL_ENABLED;
	case DNSSEC:
		return DNS_LEVEL_DNSSEC;
	default:
		return conf_bool(conf, P_disable_dns_lookups) ? DNS_LEVEL_DISABLED
							      : DNS_LEVEL_ENABLED;
	}
}

static void
read_parameters(const struct conf *conf, const struct names *p, struct dns_settings *s)
{
	bool all = list_has(conf, P_inet_protocols, STR("all"));

	s->level = level_of(conf, p->level);
	s->lookup_dns = s->level != DNS_LEVEL_DISABLED && list_has(conf, p->lookup, STR("dns"));
	s->lookup_native = list_has(conf, p->lookup, STR("native"));
	s->defnames = list_has(conf, p->options, STR("res_defnames"));
	s->dnsrch = list_has(conf, p->options, STR("res_dnsrch"));
	s->families = (all || list_has(conf, P_inet_protocols, STR("ipv4")) ? DNS_IPV4 : 0) |
	    (all || list_has(conf, P_inet_protocols, STR("ipv6")) ? DNS_IPV6 : 0);
	s->dnssec_probe = arena_str(s->arena, conf_str(conf, P_dnssec_probe));
	s->hop.preference = conf_enum(conf, p->preference);
	s->hop.balance = conf_bool(conf, p->balance);
	s->hop.randomize = conf_bool(conf, p->randomize);
	s->hop.defer_if_no_address = conf_bool(conf, p->defer);
	s->hop.ignore_mx_error = conf_bool(conf, P_ignore_mx_lookup_error);
	s->hop.address_limit = (size_t)conf_int(conf, p->limit);
}

/* known_tcp_ports: "name=name=number, …". They come before what /etc/services says. */
static void
known_ports(const struct conf *conf, struct hash *services)
{
	struct str rest = conf_str(conf, P_known_tcp_ports), item;

	while (conf_list_next(&rest, &item)) {
		size_t last = str_rchr(item, '=');
		struct str names, name;
		uint64_t port;

		if (last == STR_NPOS ||
		    !str_to_u64(str_trim(str_from(item, last + 1)), 65535, &port))
			continue;
		names = str_sub(item, 0, last);
		while (str_token(&names, "= \t", &name))
			hash_put(services, name, (void *)(uintptr_t)(port + 1));
	}
}

struct dns_settings *
dns_settings_read(
    const struct conf *conf, const char *prefix, const struct dns_paths *paths, struct buf *why)
{
	struct dns_settings *s = MEM_NEW(struct dns_settings);

	s->arena = arena_new(0);
	read_files(s, paths);
	read_parameters(conf, names_of(prefix), s);
	known_ports(conf, s->services);
	if (!own_servers(conf, s, why)) {
		dns_settings_free(&s);
		return NULL;
	}
	s->trusted = servers_trusted(&s->resolv);
	if (s->level == DNS_LEVEL_DNSSEC && !s->trusted)
		log_warning(
		    "%s_dns_support_level = dnssec, but not all name servers are on this machine, "
		    "and "
		    "resolv.conf has no \"options trust-ad\": no answer counts as validated",
		    prefix);
	return s;
}

void
dns_settings_free(struct dns_settings **settings)
{
	if (!*settings)
		return;
	dns_hosts_free(&(*settings)->hosts);
	table_maps_close(&(*settings)->filter);
	hash_free(&(*settings)->services, NULL);
	arena_free(&(*settings)->arena);
	free(*settings);
	*settings = NULL;
}
