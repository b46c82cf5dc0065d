/*
 * test_dns_parts - order of addresses, next hops as text, the system's files, the cache, names in U-labels
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/dns/internal.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct arena *arena;

/* --- Order ------------------------------------------------------------------------------------------ */

/* "4a10" is a target with an IPv4 address, host "a", preference 10. */
static size_t
make_targets(const char *text, struct dns_target *targets)
{
	struct str rest = str_c(text), word;
	size_t n = 0;
	uint64_t preference;

	while (str_token(&rest, " ", &word)) {
		memset(&targets[n], 0, sizeof(targets[n]));
		targets[n].address.sa.sa_family = word.data[0] == '6' ? AF_INET6 : AF_INET;
		targets[n].host = str_sub(word, 1, 1);
		assert_true(str_to_u64(str_from(word, 2), 65535, &preference));
		targets[n++].preference = (uint16_t)preference;
	}
	return n;
}

static const char *
tell(const struct dns_target *targets, size_t n, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%c%.*s%u", i ? " " : "",
		    targets[i].address.sa.sa_family == AF_INET6 ? '6' : '4',
		    STR_ARG(targets[i].host), targets[i].preference);
	return buf_cstr(out);
}

enum { ANY, FOUR, SIX };
static const struct {
	const char *in;
	int preference;
	bool balance;
	size_t limit;
	const char *out;
} orders[] = {
    {"4a20 4b10 6c10", ANY, false, 0, "4b10 6c10 4a20"},
    {"4a10 6b10 4c10 6d5", SIX, false, 0, "6d5 6b10 4a10 4c10"},
    {"6a10 4b10 6c10 4d5", FOUR, false, 0, "4d5 4b10 6a10 6c10"},
    {"6a10 4b20", FOUR, false, 0, "6a10 4b20"},
    {"6a1 6b2 6c3 6d4 4e5 4f6", ANY, false, 4, "6a1 6b2 6c3 6d4"},
    {"6a1 6b2 6c3 6d4 4e5 4f6", ANY, true, 4, "6a1 6b2 4e5 4f6"},
    {"6a1 6b2 6c3 6d4 4e5", ANY, true, 4, "6a1 6b2 6c3 4e5"},
    {"4a1 4b2 4c3 4d4 6e5", ANY, true, 3, "4a1 4b2 6e5"},
    {"4a1 4b2 4c3 4d4 6e5 6f6", ANY, true, 3, "4a1 4b2 6e5"},
    {"6a1 6b2 6c3 6d4 4e5 4f6", ANY, true, 1, "6a1"},
    {"4a1 4b2 4c3", ANY, true, 2, "4a1 4b2"},
    {"4a1 6b2", ANY, true, 2, "4a1 6b2"},
    {"", ANY, true, 5, ""},
};

static void
test_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(orders); i++) {
		struct dns_hop_settings settings = {.preference = orders[i].preference,
		    .balance = orders[i].balance,
		    .address_limit = orders[i].limit};
		struct dns_target targets[16];
		struct buf out = {0};
		size_t n = make_targets(orders[i].in, targets);

		n = dns_order(targets, n, &settings);
		if (strcmp(tell(targets, n, &out), orders[i].out) != 0)
			fail_msg("\"%s\": %s", orders[i].in, buf_cstr(&out));
		buf_free(&out);
	}
}

/* Each of the equal ones comes first now and then, and none before a better one. */
static void
test_random_order(void **state)
{
	struct dns_hop_settings settings = {.randomize = true};
	unsigned first[256] = {0};

	(void)state;
	for (int i = 0; i < 4000; i++) {
		struct dns_target targets[16];
		size_t n = make_targets("4z20 4a10 4b10 6c10 4y30", targets);

		assert_int_equal(dns_order(targets, n, &settings), n);
		assert_int_equal(targets[3].preference, 20);
		assert_int_equal(targets[4].preference, 30);
		first[(unsigned char)targets[0].host.data[0]]++;
	}
	/* Expected 1333 each; the chance of missing this is below 10^-60. */
	for (char c = 'a'; c <= 'c'; c++)
		assert_in_range(first[(unsigned char)c], 800, 1900);
}

/* --- Next hops -------------------------------------------------------------------------------------- */

static const struct {
	const char *hop, *host; /* NULL: refused */
	unsigned port;
	bool bracketed, literal;
} hops[] = {
    {"example.org", "example.org", 25, false, false},
    {" example.org ", "example.org", 25, false, false},
    {"example.org:587", "example.org", 587, false, false},
    {"example.org:submission", "example.org", 587, false, false},
    {"[example.org]", "example.org", 25, true, false},
    {"[example.org]:465", "example.org", 465, true, false},
    {"[192.0.2.1]", "192.0.2.1", 25, true, true},
    {"[192.0.2.1]:26", "192.0.2.1", 26, true, true},
    {"192.0.2.1", "192.0.2.1", 25, false, true},
    {"192.0.2.1:26", "192.0.2.1", 26, false, true},
    {"[IPv6:2001:db8::1]", "2001:db8::1", 25, true, true},
    {"[ipv6:2001:db8::1]:587", "2001:db8::1", 587, true, true},
    {"[2001:db8::1]:587", "2001:db8::1", 587, true, true},
    {"2001:db8::1", "2001:db8::1", 25, false, true},
    {"[192.0.2.256]", "192.0.2.256", 25, true, false},
    {"", NULL, 0, false, false},
    {"[]", NULL, 0, false, false},
    {"[example.org", NULL, 0, false, false},
    {"example.org]", NULL, 0, false, false},
    {"[example.org]587", NULL, 0, false, false},
    {"[example.org]:", NULL, 0, false, false},
    {"[example.org]:0", NULL, 0, false, false},
    {"[example.org]:65536", NULL, 0, false, false},
    {"[example.org]:submision", NULL, 0, false, false},
    {":25", NULL, 0, false, false},
    {"example.org:", NULL, 0, false, false},
};

static void
test_hops(void **state)
{
	struct hash *services = hash_new();

	(void)state;
	hash_put(services, STR("smtp"), (void *)(uintptr_t)26);
	hash_put(services, STR("submission"), (void *)(uintptr_t)588);
	for (size_t i = 0; i < COUNT(hops); i++) {
		struct dns_hop_name hop;
		struct buf why = {0};
		bool ok = dns_hop_parse(str_c(hops[i].hop), "smtp", services, arena, &hop, &why);

		if (ok != (hops[i].host != NULL) || ok != (why.len == 0))
			fail_msg("\"%s\": %s", hops[i].hop, ok ? "taken" : buf_cstr(&why));
		if (ok &&
		    (!str_eq(hop.host, str_c(hops[i].host)) || hop.port != hops[i].port ||
			hop.bracketed != hops[i].bracketed || hop.literal != hops[i].literal))
			fail_msg("\"%s\": %.*s %u", hops[i].hop, STR_ARG(hop.host), hop.port);
		buf_free(&why);
	}
	hash_free(&services, NULL);
}

/* --- The system's files ----------------------------------------------------------------------------- */

static void
test_resolv(void **state)
{
	struct dns_resolv r;

	(void)state;
	dns_resolv_parse(STR("# a comment\n"
			     "nameserver 192.0.2.1\n"
			     "nameserver\t2001:db8::1 \n"
			     "  nameserver [::1]:5353\n"
			     ";nameserver 192.0.2.9\n"
			     "nameserver nowhere\n"
			     "domain old.example\n"
			     "search a.example B.example.\n"
			     "options ndots:3 timeout:2 attempts:9 rotate trust-ad edns0\n"),
	    arena, &r);
	assert_int_equal(r.n_servers, 3);
	assert_true(str_eq(r.servers[0].text, STR("192.0.2.1")));
	assert_int_equal(ntohs(r.servers[0].address.in.sin_port), 53);
	assert_true(str_eq(r.servers[2].text, STR("[::1]:5353")));
	assert_int_equal(ntohs(r.servers[2].address.in6.sin6_port), 5353);
	assert_int_equal(r.n_search, 2);
	assert_true(str_eq(r.search[1], STR("b.example")));
	assert_int_equal(r.ndots, 3);
	assert_int_equal(r.timeout, 2);
	assert_int_equal(r.attempts, 5);
	assert_true(r.rotate && r.trust_ad);

	dns_resolv_parse(STR("search a.example b.example\ndomain c.example d.example"), arena, &r);
	assert_int_equal(r.n_servers, 0);
	assert_int_equal(r.n_search, 1);
	assert_true(str_eq(r.search[0], STR("c.example")));
	assert_int_equal(r.ndots, 1);
	assert_false(r.rotate || r.trust_ad);
}

/* What lib/conf takes for servers, and refuses: the same here. */
static const struct {
	const char *text, *name; /* NULL: refused */
	unsigned port;
} server_names[] = {
    {"127.0.0.1", "127.0.0.1", 53},
    {"192.0.2.1:54", "192.0.2.1:54", 54},
    {"192.0.2.1:53", "192.0.2.1", 53},
    {"::1", "::1", 53},
    {"[::1]", "::1", 53},
    {"[2001:db8::1]:5353", "[2001:db8::1]:5353", 5353},
    {"ns.example.org", NULL, 0},
    {"192.0.2.256", NULL, 0},
    {"127.0.0.1:", NULL, 0},
    {"127.0.0.1:0", NULL, 0},
    {"127.0.0.1:65536", NULL, 0},
    {"[::1", NULL, 0},
    {"[::1]53", NULL, 0},
    {"[]:53", NULL, 0},
    {"[::1]:", NULL, 0},
    {"fe80::1%lo", "fe80::1%lo", 53},
    {"[fe80::1%1]:5353", "[fe80::1%1]:5353", 5353},
    {"fe80::1%", NULL, 0},
    {"fe80::1%0", NULL, 0},
    {"fe80::1%no-such-interface", NULL, 0},
    {"127.0.0.1%lo", NULL, 0},
};

static void
test_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(server_names); i++) {
		struct dns_server_name server;
		bool ok = dns_server_parse(str_c(server_names[i].text), arena, &server);

		if (ok != (server_names[i].name != NULL))
			fail_msg("\"%s\"", server_names[i].text);
		if (!ok)
			continue;
		assert_true(str_eq(server.text, str_c(server_names[i].name)));
		assert_int_equal(ntohs(server.address.in.sin_port), server_names[i].port);
	}
}

static const struct {
	const char *text;
	enum dns_way first, second;
} switches[] = {
    {"hosts: files dns\n", DNS_WAY_FILES, DNS_WAY_DNS},
    {"passwd: files\nhosts:\tdns [!UNAVAIL=return] files # both\n", DNS_WAY_DNS, DNS_WAY_FILES},
    {"hosts: files mdns4_minimal [NOTFOUND=return] resolve dns", DNS_WAY_FILES, DNS_WAY_DNS},
    {"hosts: files", DNS_WAY_FILES, DNS_WAY_NONE},
    {"#hosts: dns", DNS_WAY_FILES, DNS_WAY_DNS},
    {"", DNS_WAY_FILES, DNS_WAY_DNS},
};

static void
test_nsswitch(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(switches); i++) {
		enum dns_way ways[DNS_WAYS];

		dns_nsswitch_parse(str_c(switches[i].text), ways);
		if (ways[0] != switches[i].first || ways[1] != switches[i].second)
			fail_msg("\"%s\"", switches[i].text);
	}
}

static void
test_hosts(void **state)
{
	struct dns_hosts *hosts = dns_hosts_parse(STR("127.0.0.1 localhost\n"
						      "::1\tlocalhost ip6-localhost\n"
						      "192.0.2.1 Mail.example mail # the relay\n"
						      "nonsense mail\n"
						      "192.0.2.2 mail"));
	struct dns_record *r;
	size_t n;

	(void)state;
	r = dns_hosts_find(hosts, STR("LOCALHOST"), DNS_IPV4 | DNS_IPV6, arena, &n);
	assert_int_equal(n, 2);
	assert_int_equal(r[1].type, DNS_AAAA);
	r = dns_hosts_find(hosts, STR("localhost"), DNS_IPV6, arena, &n);
	assert_int_equal(n, 1);
	assert_int_equal(r[0].type, DNS_AAAA);
	r = dns_hosts_find(hosts, STR("mail"), DNS_IPV4, arena, &n);
	assert_int_equal(n, 2);
	assert_true(str_eq(dns_address_text(&r[0].address, arena), STR("192.0.2.1")));
	assert_true(str_eq(dns_address_text(&r[1].address, arena), STR("192.0.2.2")));
	dns_hosts_find(hosts, STR("mail.example"), DNS_IPV6, arena, &n);
	assert_int_equal(n, 0);
	dns_hosts_find(hosts, STR("relay"), DNS_IPV4, arena, &n);
	assert_int_equal(n, 0);
	dns_hosts_free(&hosts);
}

/* --- Parameters ------------------------------------------------------------------------------------- */

static const struct dns_paths no_files = {
    "/nonexistent/1", "/nonexistent/2", "/nonexistent/3", "/nonexistent/4"};

static const struct {
	const char *main_cf;
	const char *servers; /* NULL: refused */
	enum dns_level level;
	bool trusted, dns, native;
	unsigned families;
} parameters[] = {
    {"", "127.0.0.1", DNS_LEVEL_ENABLED, true, true, false, DNS_IPV4 | DNS_IPV6},
    {"dns_servers = 192.0.2.1, [::1]:54\n", "192.0.2.1 [::1]:54", DNS_LEVEL_ENABLED, false, true,
	false, DNS_IPV4 | DNS_IPV6},
    {"dns_servers = [::1]:54 127.1.2.3\nsmtp_dns_support_level = dnssec\n", "[::1]:54 127.1.2.3",
	DNS_LEVEL_DNSSEC, true, true, false, DNS_IPV4 | DNS_IPV6},
    {"disable_dns_lookups = yes\ninet_protocols = ipv4\n", "127.0.0.1", DNS_LEVEL_DISABLED, true,
	false, false, DNS_IPV4},
    {"disable_dns_lookups = yes\nsmtp_dns_support_level = enabled\n", "127.0.0.1",
	DNS_LEVEL_ENABLED, true, true, false, DNS_IPV4 | DNS_IPV6},
    {"smtp_host_lookup = native\ninet_protocols = ipv6\n", "127.0.0.1", DNS_LEVEL_ENABLED, true,
	false, true, DNS_IPV6},
    {"smtp_host_lookup = dns, native\n", "127.0.0.1", DNS_LEVEL_ENABLED, true, true, true,
	DNS_IPV4 | DNS_IPV6},
    {"dns_servers = 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9\n",
	NULL, 0, 0, 0, 0, 0},
};

static void
tell_servers(const struct dns_resolv *resolv, struct buf *out)
{
	for (size_t i = 0; i < resolv->n_servers; i++)
		buf_printf(out, "%s%.*s", i ? " " : "", STR_ARG(resolv->servers[i].text));
}

static void
test_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(parameters); i++) {
		struct conf *conf = fixture_load_good("", parameters[i].main_cf);
		struct buf why = {0}, servers = {0};
		struct dns_settings *s = dns_settings_read(conf, "smtp", &no_files, &why);

		if ((s != NULL) != (parameters[i].servers != NULL) || (s != NULL) != (why.len == 0))
			fail_msg("\"%s\": %s", parameters[i].main_cf, buf_cstr(&why));
		if (s) {
			tell_servers(&s->resolv, &servers);
			assert_string_equal(buf_cstr(&servers), parameters[i].servers);
			assert_int_equal(s->level, parameters[i].level);
			assert_int_equal(s->trusted, parameters[i].trusted);
			assert_int_equal(s->lookup_dns, parameters[i].dns);
			assert_int_equal(s->lookup_native, parameters[i].native);
			assert_int_equal(s->families, parameters[i].families);
			assert_int_equal((uintptr_t)hash_get(s->services, STR("submissions")), 466);
		} else {
			assert_non_null(strstr(buf_cstr(&why), "dns_servers"));
		}
		dns_settings_free(&s);
		buf_free(&servers);
		buf_free(&why);
		conf_free(&conf);
	}
}

/* --- The cache -------------------------------------------------------------------------------------- */

static struct dns_answer
answer_of(unsigned records, uint32_t ttl)
{
	struct dns_answer a = {
	    .status = DNS_OK, .n = records, .ttl = ttl, .canonical = STR("c"), .why = STR("")};

	a.records = arena_array(arena, records + 1, sizeof(*a.records));
	for (unsigned i = 0; i < records; i++) {
		a.records[i].type = DNS_MX;
		a.records[i].ttl = ttl;
		a.records[i].name = STR("mx.example");
	}
	return a;
}

static void
test_cache(void **state)
{
	struct dns_cache *cache = dns_cache_new(3, 1 << 20);
	struct dns_answer in = answer_of(2, 10), out;

	(void)state;
	assert_false(dns_cache_get(cache, STR("a"), DNS_MX, 0, arena, &out));
	dns_cache_put(cache, STR("a"), DNS_MX, 1000, &in);
	assert_false(dns_cache_get(cache, STR("a"), DNS_A, 1000, arena, &out));
	assert_true(dns_cache_get(cache, STR("a"), DNS_MX, 10999, arena, &out));
	assert_int_equal(out.n, 2);
	assert_int_equal(out.ttl, 1);
	assert_int_equal(out.records[1].ttl, 1);
	assert_true(str_eq(out.records[1].name, STR("mx.example")));
	assert_false(dns_cache_get(cache, STR("a"), DNS_MX, 11000, arena, &out));
	assert_int_equal(dns_cache_count(cache), 0);

	/* The one that was used least recently goes. */
	dns_cache_put(cache, STR("a"), DNS_MX, 0, &in);
	dns_cache_put(cache, STR("b"), DNS_MX, 0, &in);
	dns_cache_put(cache, STR("c"), DNS_MX, 0, &in);
	assert_true(dns_cache_get(cache, STR("a"), DNS_MX, 1, arena, &out));
	dns_cache_put(cache, STR("d"), DNS_MX, 0, &in);
	assert_int_equal(dns_cache_count(cache), 3);
	assert_true(dns_cache_get(cache, STR("a"), DNS_MX, 1, arena, &out));
	assert_false(dns_cache_get(cache, STR("b"), DNS_MX, 1, arena, &out));

	/* Nothing with a TTL of 0; a new answer takes the old one's place. */
	in.ttl = 0;
	dns_cache_put(cache, STR("e"), DNS_MX, 0, &in);
	assert_false(dns_cache_get(cache, STR("e"), DNS_MX, 0, arena, &out));
	in = answer_of(1, 5);
	dns_cache_put(cache, STR("a"), DNS_MX, 0, &in);
	assert_true(dns_cache_get(cache, STR("a"), DNS_MX, 1, arena, &out));
	assert_int_equal(out.n, 1);
	assert_int_equal(dns_cache_count(cache), 3);
	dns_cache_free(&cache);
	assert_null(cache);
}

static void
test_cache_bytes(void **state)
{
	struct dns_cache *cache = dns_cache_new(1 << 20, 1 << 20);
	struct dns_answer large = answer_of(1000, 100), middle = answer_of(20, 100), out;

	(void)state;
	dns_cache_put(cache, STR("large"), DNS_MX, 0, &large);
	assert_int_equal(dns_cache_count(cache), 0);
	for (int i = 0; i < 5000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		dns_cache_put(cache, str_c(name), DNS_MX, 0, &middle);
		assert_true(dns_cache_bytes(cache) <= 1 << 20);
	}
	assert_in_range(dns_cache_count(cache), 50, 1000);
	assert_true(dns_cache_get(cache, STR("n4999"), DNS_MX, 0, arena, &out));
	assert_int_equal(out.n, 20);
	dns_cache_free(&cache);
}

/* --- dnssec_probe ----------------------------------------------------------------------------------- */

static const struct {
	const char *text, *name; /* NULL: refused */
	enum dns_type type;
} probes[] = {
    {"ns:.", ".", DNS_NS},
    {"MX: Example.org", "example.org", DNS_MX},
    {"tlsa:_25._tcp.example.org", "_25._tcp.example.org", DNS_TLSA},
    {"ns", NULL, 0},
    {"ns:", NULL, 0},
    {"soa:.", NULL, 0},
    {"a:..", NULL, 0},
};

static void
test_probes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(probes); i++) {
		enum dns_type type = 0;
		struct str name;
		bool ok = dns_probe_parse(str_c(probes[i].text), arena, &type, &name);

		if (ok != (probes[i].name != NULL) ||
		    (ok && (!str_eq(name, str_c(probes[i].name)) || type != probes[i].type)))
			fail_msg("\"%s\"", probes[i].text);
	}
}

/* --- TLSA and U-labels ------------------------------------------------------------------------------ */

static const struct {
	uint8_t usage, selector, matching;
	size_t len;
	bool usable;
} tlsas[] = {
    {3, 1, 1, 32, true},
    {2, 0, 1, 32, true},
    {3, 1, 2, 64, true},
    {3, 0, 0, 900, true},
    {3, 1, 1, 31, false},
    {3, 1, 2, 32, false},
    {3, 0, 0, 0, false},
    {0, 0, 1, 32, false},
    {1, 1, 1, 32, false},
    {4, 1, 1, 32, false},
    {3, 2, 1, 32, false},
    {3, 1, 3, 32, false},
};

static void
test_tlsa(void **state)
{
	static const char data[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(tlsas); i++) {
		struct dns_record record = {.type = DNS_TLSA,
		    .tlsa = {tlsas[i].usage, tlsas[i].selector, tlsas[i].matching,
			{data, tlsas[i].len}}};
		struct dns_tlsa out;

		if (dns_tlsa_usable(&record, 1, &out) != tlsas[i].usable)
			fail_msg("case %zu", i);
	}
}

static const struct {
	const char *in, *out; /* NULL: refused */
} labels[] = {
    {"Example.ORG", "example.org"},
    {"b\xc3\xbc"
     "cher.example",
	"xn--bcher-kva.example"},
    {"B\xc3\x9c"
     "CHER.example",
	"xn--bcher-kva.example"},
    {"fa\xc3\x9f.de", "xn--fa-hia.de"}, /* IDNA 2008: sharp s is a letter of its own */
    {"\xe4\xbe\x8b\xe3\x81\x88.jp", "xn--r8jz45g.jp"},
    {"xn--bcher-kva.example", "xn--bcher-kva.example"}, {"_dmarc.example", "_dmarc.example"},
    {"a\xff.example", NULL},
    {"\xe2\x80\xae.example", NULL}, /* a control character of writing direction */
    {"\xc3\xbc..example", NULL},
    {"a\xef\xbc\xa0"
     "b.example",
	NULL},                      /* a wide "@" */
    {"\xe2\x84\x80.example", NULL}, /* "a/c" in one character */
    {"a\xef\xbc\x9a"
     "25",
	NULL}, /* a wide ":" */
    {"a\xe3\x80\x82"
     "b_c.example",
	"a.b_c.example"}, /* an ideographic full stop */
};

static void
test_ascii(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(labels); i++) {
		struct buf why = {0};
		struct str out;
		bool ok = dns_ascii(str_c(labels[i].in), arena, &out, &why);

		if (ok != (labels[i].out != NULL) || ok != (why.len == 0))
			fail_msg("\"%s\": %s", labels[i].in, buf_cstr(&why));
		if (ok && !str_eq(out, str_c(labels[i].out)))
			fail_msg("\"%s\": %.*s", labels[i].in, STR_ARG(out));
		buf_free(&why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_random_order),
	    cmocka_unit_test(test_hops),
	    cmocka_unit_test(test_resolv),
	    cmocka_unit_test(test_servers),
	    cmocka_unit_test(test_nsswitch),
	    cmocka_unit_test(test_hosts),
	    cmocka_unit_test(test_parameters),
	    cmocka_unit_test(test_cache),
	    cmocka_unit_test(test_cache_bytes),
	    cmocka_unit_test(test_probes),
	    cmocka_unit_test(test_tlsa),
	    cmocka_unit_test(test_ascii),
	};
	int failed;

	arena = arena_new(0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
