/*
 * test_route - classes, their precedence and conflicts, transports and next hops, failing tables
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "lib/route/route.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAIN_CF                                                                                    \
	"compatibility_level = 3.6\nmyhostname = mail.example.org\nmydomain = example.org\n"       \
	"mydestination = $myhostname, localhost, Example.ORG\ninet_interfaces = loopback-only\n"

static struct conf *
load(const char *more)
{
	return fixture_load_good(MAIN_CF, more);
}

static void
unload(struct conf **conf)
{
	route_forget(*conf);
	conf_free(conf);
}

#define VIRTUAL                                                                                    \
	"virtual_alias_domains = alias.test, both.test\n"                                          \
	"virtual_mailbox_domains = box.test, both.test, example.org\nrelay_domains = relay.test\n" \
	"proxy_interfaces = 192.0.2.9\n"

static const struct {
	const char *domain;
	enum route_status status;
	enum route_class class;
	const char *ambiguous; /* NULL: in one class only */
} classes[] = {
    {"", ROUTE_OK, ROUTE_LOCAL, NULL},
    {"mail.example.org", ROUTE_OK, ROUTE_LOCAL, NULL},
    {"LOCALHOST", ROUTE_OK, ROUTE_LOCAL, NULL},
    {"example.org", ROUTE_OK, ROUTE_LOCAL,
	"example.org stands in mydestination and in virtual_mailbox_domains"},
    {"alias.test", ROUTE_OK, ROUTE_VIRTUAL_ALIAS, NULL},
    {"box.test", ROUTE_OK, ROUTE_VIRTUAL_MAILBOX, NULL},
    {"both.test", ROUTE_OK, ROUTE_VIRTUAL_ALIAS,
	"both.test stands in virtual_alias_domains and in virtual_mailbox_domains"},
    {"relay.test", ROUTE_OK, ROUTE_RELAY, NULL},
    {"sub.relay.test", ROUTE_OK, ROUTE_RELAY, NULL}, /* parent_domain_matches_subdomains */
    {"sub.box.test", ROUTE_OK, ROUTE_DEFAULT, NULL},
    {"sub.example.org", ROUTE_OK, ROUTE_DEFAULT, NULL},
    {"elsewhere.test", ROUTE_OK, ROUTE_DEFAULT, NULL},
    {"[127.0.0.1]", ROUTE_OK, ROUTE_LOCAL, NULL},
    {"[IPv6:::1]", ROUTE_OK, ROUTE_LOCAL, NULL},
    {"[ipv6:0:0:0:0:0:0:0:1]", ROUTE_OK, ROUTE_LOCAL, NULL},
    {"[192.0.2.9]", ROUTE_OK, ROUTE_LOCAL, NULL},
    {"[192.0.2.10]", ROUTE_OK, ROUTE_DEFAULT, NULL},
};

static void
test_classes(void **state)
{
	struct conf *conf = load(VIRTUAL);

	(void)state;
	for (size_t i = 0; i < COUNT(classes); i++) {
		struct buf why = {0};
		enum route_class class;
		bool ambiguous = true;
		enum route_status status =
		    route_class_of(conf, str_c(classes[i].domain), &class, &ambiguous, &why);

		if (status != classes[i].status || class != classes[i].class ||
		    ambiguous != (classes[i].ambiguous != NULL))
			fail_msg("%s: %d, %s, %d: %s", classes[i].domain, (int)status,
			    route_class_name(class), ambiguous, buf_cstr(&why));
		assert_string_equal(buf_cstr(&why), ambiguous ? classes[i].ambiguous : "");
		buf_free(&why);
	}
	unload(&conf);
}

/* relay_domains = $mydestination was a default once: that is no conflict. */
static void
test_old_default(void **state)
{
	struct conf *conf = load("relay_domains = $mydestination\n");
	struct buf why = {0};
	enum route_class class;
	bool ambiguous;

	(void)state;
	assert_int_equal(
	    route_class_of(conf, STR("example.org"), &class, &ambiguous, &why), ROUTE_OK);
	assert_int_equal(class, ROUTE_LOCAL);
	assert_false(ambiguous);
	unload(&conf);
	buf_free(&why);
}

static const struct {
	const char *conf, *cause;
} broken[] = {
    {"mydestination = hash:/no/such/file\n", "mydestination: table hash:/no/such/file"},
    {"mydestination = /no/such/file\n", "mydestination: /no/such/file"},
    {"virtual_alias_domains = hash:/no/such/file\n", "virtual_alias_domains: table hash:"},
    {"virtual_mailbox_domains = nosuch:x\n", "virtual_mailbox_domains: unsupported table type"},
    {"relay_domains = hash:/no/such/file\n", "relay_domains: table hash:"},
};

static void
test_broken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(broken); i++) {
		struct conf *conf = load(broken[i].conf);
		struct mail_address recipient = {STR("bob"), STR("x.test"), false};
		struct arena *a = arena_new(0);
		struct buf why = {0};
		enum route_class class;
		struct route r;

		assert_int_equal(
		    route_class_of(conf, recipient.domain, &class, NULL, &why), ROUTE_DEFER);
		if (!strstr(buf_cstr(&why), broken[i].cause))
			fail_msg("%s: %s", broken[i].conf, buf_cstr(&why));
		assert_int_equal(
		    route_resolve(conf, STR("alice@example.org"), &recipient, a, &r, &why),
		    ROUTE_DEFER);
		arena_free(&a);
		buf_free(&why);
		unload(&conf);
	}
}

static void
test_prepare(void **state)
{
	struct conf *good = load(VIRTUAL), *bad = load("relay_domains = nosuch:x\n");
	struct buf why = {0};
	enum route_class class;

	(void)state;
	assert_true(route_prepare(good, true, &why));
	assert_true(route_prepare(good, false, &why));
	assert_int_equal(why.len, 0);
	assert_false(route_prepare(bad, false, &why));
	assert_true(strstr(buf_cstr(&why), "relay_domains: ") != NULL);
	/* What does not depend on it works. */
	assert_int_equal(route_class_of(bad, STR("example.org"), &class, NULL, &why), ROUTE_OK);
	unload(&good);
	unload(&bad);
	buf_free(&why);
}

/* --- Transports ----------------------------------------------------------------------------- */

#define MAPS                                                                                       \
	"recipient_delimiter = +\ntransport_maps = inline:{"                                       \
	"{ bob+x@a.test = smtp:[bobx] } { bob@a.test = smtp:[bob] } { a.test = lmtp:unix:/s } "    \
	"{ .a.test = smtp: } { b.test = : } { c.test = :[gate] } { d.test = error: } "             \
	"{ e.test = error:5.7.1 go away } { f.test = discard } { example.org = smtp:[inside] } "   \
	"{ alice = smtp:[alone] } { alias.test = smtp:[x] } }\n"

static const struct {
	const char *conf, *local, *domain, *transport, *nexthop, *destination;
} routes[] = {
    {"", "bob", "example.org", "local", "mail.example.org", "bob"},
    {"", "Bob", "", "local", "mail.example.org", "bob"},
    {"recipient_delimiter = +\n", "bob+x", "example.org", "local", "mail.example.org", "bob"},
    {"local_transport = lmtp:unix:private/lmtp\n", "bob", "example.org", "lmtp",
	"unix:private/lmtp", "unix:private/lmtp"},
    {"local_transport = box\n", "bob", "EXAMPLE.org", "box", "example.org", "example.org"},
    {"", "bob", "X.test", "smtp", "x.test", "x.test"},
    {"", "bob", "[192.0.2.1]", "smtp", "[192.0.2.1]", "[192.0.2.1]"},
    {"relayhost = [gw.test]:587\n", "bob", "x.test", "smtp", "[gw.test]:587", "[gw.test]:587"},
    {"relayhost = gw\ndefault_transport = smtp:other\n", "bob", "x.test", "smtp", "other", "other"},
    {"relayhost = gw\n", "bob", "example.org", "local", "mail.example.org", "bob"},
    {VIRTUAL, "bob", "relay.test", "relay", "relay.test", "relay.test"},
    {VIRTUAL "relayhost = gw\n", "bob", "relay.test", "relay", "gw", "gw"},
    {VIRTUAL, "bob", "box.test", "virtual", "box.test", "box.test"},
    {VIRTUAL "virtual_transport = lmtp:[::1]:24\n", "bob", "box.test", "lmtp", "[::1]:24",
	"[::1]:24"},
    {VIRTUAL, "bob", "alias.test", "error", "5.1.1 User unknown in virtual alias table",
	"5.1.1 User unknown in virtual alias table"},
    {VIRTUAL MAPS, "bob", "alias.test", "error", "5.1.1 User unknown in virtual alias table",
	"5.1.1 User unknown in virtual alias table"},
    /* not expanded yet: no reason to return it */
    {VIRTUAL "virtual_alias_maps = inline:{bob@alias.test=x}\n", "bob", "alias.test", "retry",
	"4.3.5 virtual_alias_maps: aliases are not expanded yet",
	"4.3.5 virtual_alias_maps: aliases are not expanded yet"},
    {"default_transport = error:5.4.4 no outside here\n", "bob", "x.test", "error",
	"5.4.4 no outside here", "5.4.4 no outside here"},
    /* transport(5) */
    {MAPS, "bob+x", "a.test", "smtp", "[bobx]", "[bobx]"},
    {MAPS, "Bob+y", "A.test", "smtp", "[bob]", "[bob]"},
    {MAPS, "carol", "a.test", "lmtp", "unix:/s", "unix:/s"},
    {MAPS, "carol", "y.x.a.test", "smtp", "y.x.a.test", "y.x.a.test"},
    {MAPS "relayhost = gw\n", "carol", "x.a.test", "smtp", "x.a.test", "x.a.test"},
    {MAPS "relayhost = gw\n", "bob", "b.test", "smtp", "gw", "gw"},
    {MAPS "relayhost = gw\n", "bob", "c.test", "smtp", "[gate]", "[gate]"},
    {MAPS, "bob", "d.test", "error", "Address is undeliverable", "Address is undeliverable"},
    {MAPS, "bob", "e.test", "error", "5.7.1 go away", "5.7.1 go away"},
    {MAPS, "bob", "f.test", "discard", "f.test", "f.test"},
    {MAPS, "bob", "example.org", "smtp", "[inside]", "[inside]"},
    {MAPS, "alice", "", "smtp", "[alone]", "[alone]"},
    {MAPS, "bob", "g.test", "smtp", "g.test", "g.test"},
    {"transport_maps = inline:{ { * = relay:[all] } { a.test = : } }\n", "bob", "g.test", "relay",
	"[all]", "[all]"},
    {"transport_maps = inline:{ { * = relay:[all] } { a.test = : } }\n", "bob", "a.test", "smtp",
	"a.test", "a.test"},
    {"relayhost = [A.test]:587, [b.test]\n", "bob", "x.test", "smtp", "[A.test]:587, [b.test]",
	"[a.test]:587, [b.test]"},
    {"default_transport = lmtp:unix:/run/S\n", "bob", "x.test", "lmtp", "unix:/run/S",
	"unix:/run/S"},
    {"transport_maps = inline:{{a.test = smtp:[1]}}, inline:{{b.test = smtp:[2]}}\n", "bob",
	"b.test", "smtp", "[2]", "[2]"},
};

static void
test_resolve(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(routes); i++) {
		struct conf *conf = load(routes[i].conf);
		struct mail_address recipient = {
		    str_c(routes[i].local), str_c(routes[i].domain), false};
		struct arena *a = arena_new(0);
		struct buf why = {0};
		struct route r;

		if (route_resolve(conf, STR("alice@example.org"), &recipient, a, &r, &why) !=
		    ROUTE_OK)
			fail_msg("case %zu: %s", i, buf_cstr(&why));
		if (!str_eq(r.transport, str_c(routes[i].transport)) ||
		    !str_eq(r.nexthop, str_c(routes[i].nexthop)) ||
		    !str_eq(r.destination, str_c(routes[i].destination)))
			fail_msg("case %zu, %s@%s: %.*s, %.*s, %.*s", i, routes[i].local,
			    routes[i].domain, STR_ARG(r.transport), STR_ARG(r.nexthop),
			    STR_ARG(r.destination));
		arena_free(&a);
		buf_free(&why);
		unload(&conf);
	}
}

#define SENDERS                                                                                    \
	"recipient_delimiter = +\nrelayhost = [gw]\nrelay_domains = relay.test\n"                  \
	"transport_maps = inline:{{mapped.test = slow:} {hop.test = :[hop]}}\n"                    \
	"sender_dependent_relayhost_maps = inline:{{carol+x@c.test = [cx]} {carol@c.test = [c]} "  \
	"{@d.test = [d1]:587, [d2]} {dave@d.test = DUNNO} {erin@d.test = } {<> = [null]} "         \
	"{bare = [bare]} }\nsender_dependent_default_transport_maps = inline:{"                    \
	"{frank@f.test = slow} {@f.test = slow:[f]} {gina@f.test = dunno} {@g.test = :[x]}}\n"

static const struct {
	const char *conf, *sender, *domain, *transport, *nexthop; /* no transport: deferred */
} by_sender[] = {
    {SENDERS, "nobody@x.test", "x.test", "smtp", "[gw]"},
    {SENDERS, "carol@c.test", "x.test", "smtp", "[c]"},
    {SENDERS, "Carol@C.test", "x.test", "smtp", "[c]"},
    {SENDERS, "carol+x@c.test", "x.test", "smtp", "[cx]"},
    {SENDERS, "carol+y@c.test", "x.test", "smtp", "[c]"},
    {SENDERS, "other@c.test", "x.test", "smtp", "[gw]"},
    {SENDERS, "other@d.test", "x.test", "smtp", "[d1]:587, [d2]"},
    {SENDERS, "dave@d.test", "x.test", "smtp", "[gw]"},
    {SENDERS, "erin@d.test", "x.test", "smtp", "[gw]"},
    {SENDERS, "", "x.test", "smtp", "[null]"},
    {SENDERS, "bare", "x.test", "smtp", "[bare]"},
    {SENDERS, "no address@", "x.test", "smtp", "[gw]"},
    {SENDERS "empty_address_relayhost_maps_lookup_key = null@c.test\n", "", "x.test", "smtp",
	"[gw]"},
    {SENDERS "empty_address_relayhost_maps_lookup_key = carol@c.test\n", "", "x.test", "smtp",
	"[c]"},
    /* Relay domains have their own transport, and the sender's relay host. */
    {SENDERS, "carol@c.test", "relay.test", "relay", "[c]"},
    {SENDERS, "frank@f.test", "relay.test", "relay", "[gw]"},
    /* Mail for this machine goes nowhere else. */
    {SENDERS, "carol@c.test", "example.org", "local", "mail.example.org"},
    /* transport_maps go first; a transport without a next hop means the domain. */
    {SENDERS, "carol@c.test", "mapped.test", "slow", "mapped.test"},
    {SENDERS, "carol@c.test", "hop.test", "smtp", "[hop]"},
    {SENDERS, "frank@f.test", "hop.test", "slow", "[hop]"},
    {SENDERS, "frank@f.test", "x.test", "slow", "[gw]"},
    {SENDERS, "other@f.test", "x.test", "slow", "[f]"},
    {SENDERS, "gina@f.test", "x.test", "smtp", "[gw]"},
    {SENDERS "default_transport = smtp:[own]\n", "carol@c.test", "x.test", "smtp", "[own]"},
    {SENDERS, "bad@g.test", "x.test", NULL,
	"sender_dependent_default_transport_maps names no transport"},
    {"sender_dependent_default_transport_maps = inline:{{<> = slow:[n]}}\n", "", "x.test", "slow",
	"[n]"},
    {"empty_address_default_transport_maps_lookup_key = null\n"
     "sender_dependent_default_transport_maps = inline:{{<> = slow:[n]} {null = slow:[m]}}\n",
	"", "x.test", "slow", "[m]"},
    {"sender_dependent_default_transport_maps = hash:/no/such/file\n", "a@b.test", "x.test", NULL,
	"sender_dependent_default_transport_maps: table hash:/no/such/file"},
    {"sender_dependent_relayhost_maps = hash:/no/such/file\n", "a@b.test", "x.test", NULL,
	"sender_dependent_relayhost_maps: table hash:/no/such/file"},
    {"sender_dependent_relayhost_maps = nosuch:x\n", "a@b.test", "x.test", NULL,
	"sender_dependent_relayhost_maps: unsupported table type"},
    {"sender_dependent_relayhost_maps = nosuch:x\n", "a@b.test", "example.org", "local",
	"mail.example.org"},
};

static void
test_by_sender(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(by_sender); i++) {
		struct conf *conf = load(by_sender[i].conf);
		struct mail_address recipient = {STR("bob"), str_c(by_sender[i].domain), false};
		struct arena *a = arena_new(0);
		struct buf why = {0};
		struct route r = {.nexthop = STR_EMPTY};
		enum route_status status =
		    route_resolve(conf, str_c(by_sender[i].sender), &recipient, a, &r, &why);

		if (!by_sender[i].transport) {
			if (status != ROUTE_DEFER || !strstr(buf_cstr(&why), by_sender[i].nexthop))
				fail_msg("case %zu: %d, %s", i, (int)status, buf_cstr(&why));
		} else if (status != ROUTE_OK ||
		    !str_eq(r.transport, str_c(by_sender[i].transport)) ||
		    !str_eq(r.nexthop, str_c(by_sender[i].nexthop))) {
			fail_msg("case %zu, from %s: %.*s, %.*s, %s", i, by_sender[i].sender,
			    STR_ARG(r.transport), STR_ARG(r.nexthop), buf_cstr(&why));
		}
		arena_free(&a);
		buf_free(&why);
		unload(&conf);
	}
}

/* Patterns see whole addresses alone: "^@" and "^x.test$" never match (transport(5)). */
static void
test_patterns(void **state)
{
	static const char rules[] = "/^@/ smtp:[at]\n/^x\\.test$/ smtp:[domain]\n"
				    "/^carol@/ smtp:[carol]\n/^\\*$/ smtp:[star]\n";
	struct mail_address recipient = {STR("bob"), STR("x.test"), false};
	char *dir = fixture_dir();
	struct arena *a = arena_new(0);
	struct buf text = {0}, why = {0};
	struct conf *conf;
	struct route r;

	(void)state;
	fixture_write(dir, "rules", rules, sizeof(rules) - 1);
	buf_printf(&text,
	    "transport_maps = regexp:%s/rules\nsender_dependent_default_transport_maps = "
	    "regexp:%s/rules\n",
	    dir, dir);
	conf = load(buf_cstr(&text));
	assert_int_equal(
	    route_resolve(conf, STR("dave@y.test"), &recipient, a, &r, &why), ROUTE_OK);
	assert_true(str_eq(r.nexthop, STR("x.test")));
	assert_int_equal(
	    route_resolve(conf, STR("carol@y.test"), &recipient, a, &r, &why), ROUTE_OK);
	assert_true(str_eq(r.nexthop, STR("[carol]")));
	recipient.local = STR("carol");
	assert_int_equal(
	    route_resolve(conf, STR("dave@y.test"), &recipient, a, &r, &why), ROUTE_OK);
	assert_true(str_eq(r.nexthop, STR("[carol]")));
	unload(&conf);
	arena_free(&a);
	buf_free(&text);
	buf_free(&why);
	fixture_remove(dir);
}

static void
test_resolve_fails(void **state)
{
	struct conf *conf = load("transport_maps = hash:/no/such/file\n");
	struct mail_address recipient = {STR("bob"), STR("x.test"), false};
	struct mail_address null = {STR_EMPTY, STR_EMPTY, false};
	struct arena *a = arena_new(0);
	struct buf why = {0};
	struct route r;

	(void)state;
	assert_int_equal(
	    route_resolve(conf, STR("alice@example.org"), &recipient, a, &r, &why), ROUTE_DEFER);
	assert_true(strstr(buf_cstr(&why), "/no/such/file") != NULL);
	buf_reset(&why);
	assert_int_equal(
	    route_resolve(conf, STR("alice@example.org"), &null, a, &r, &why), ROUTE_FAIL);
	assert_true(strncmp(buf_cstr(&why), "5.1.3 ", 6) == 0);
	unload(&conf);
	conf = load("transport_maps = nosuch:x\n");
	buf_reset(&why);
	assert_int_equal(
	    route_resolve(conf, STR("alice@example.org"), &recipient, a, &r, &why), ROUTE_DEFER);
	assert_true(strstr(buf_cstr(&why), "transport_maps: ") != NULL);
	unload(&conf);
	arena_free(&a);
	buf_free(&why);
}

static const struct {
	const char *conf, *local, *keys;
} keys[] = {
    {"", "Bob", "bob"},
    {"", "bob+x", "bob+x"},
    {"recipient_delimiter = +\n", "Bob+X", "bob+x bob"},
    {"recipient_delimiter = +-\n", "bob-x", "bob-x bob"},
    {"", "PostMaster", "postmaster root"},
    {"recipient_delimiter = +\n", "postmaster+x", "postmaster+x postmaster root"},
};

static void
test_local_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct conf *conf = load(keys[i].conf);
		struct mail_address recipient = {str_c(keys[i].local), STR("example.org"), false};
		struct arena *a = arena_new(0);
		struct route_local_keys k;
		struct buf text = {0};

		route_local_keys(conf, &recipient, a, &k);
		for (size_t n = 0; n < k.n; n++)
			buf_printf(&text, "%s%.*s", n > 0 ? " " : "", STR_ARG(k.keys[n]));
		assert_string_equal(buf_cstr(&text), keys[i].keys);
		buf_free(&text);
		arena_free(&a);
		unload(&conf);
	}
}

/* The address that clients of this machine come from, when inet_interfaces leaves no choice. */
static void
test_only_address(void **state)
{
	static const struct {
		const char *interfaces, *four, *six;
	} cases[] = {
	    {"192.0.2.5", "192.0.2.5", ""},
	    {"192.0.2.5, [2001:db8::5]", "192.0.2.5", "2001:db8::5"},
	    {"192.0.2.5 192.0.2.6 [2001:db8::5]", "", "2001:db8::5"},
	    {"192.0.2.5, 127.0.0.1", "", ""},
	    {"127.0.0.1, [::1]", "", ""},
	    {"192.0.2.5, loopback-only", "", ""},
	    {"[fe80::1]", "", ""},
	    {"192.0.2.5, all", "", ""},
	    {"all", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf line = {0}, four = {0}, six = {0};
		struct conf *conf;

		buf_printf(&line, "inet_interfaces = %s\n", cases[i].interfaces);
		conf = load(buf_cstr(&line));
		assert_int_equal(route_only_address(conf, AF_INET, &four), cases[i].four[0] != 0);
		assert_int_equal(route_only_address(conf, AF_INET6, &six), cases[i].six[0] != 0);
		assert_string_equal(buf_cstr(&four), cases[i].four);
		assert_string_equal(buf_cstr(&six), cases[i].six);
		unload(&conf);
		buf_free(&line);
		buf_free(&four);
		buf_free(&six);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_classes),
	    cmocka_unit_test(test_old_default),
	    cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_prepare),
	    cmocka_unit_test(test_resolve),
	    cmocka_unit_test(test_by_sender),
	    cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_only_address),
	    cmocka_unit_test(test_resolve_fails),
	    cmocka_unit_test(test_local_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
