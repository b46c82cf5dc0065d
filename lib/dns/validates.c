/*
 * validates - does the resolver validate at all?
 *
 * With DNSSEC asked for and a resolver that does not validate, everything looks like zones without
 * signatures: mail goes out, and DANE protects none of it. So when something that could have been validated
 * was not, dnssec_probe (by default the root's name servers, which are signed) is looked up once.
 */
#include "lib/base/log.h"
#include "lib/dns/internal.h"

bool
dns_probe_parse(struct str text, struct arena *arena, enum dns_type *type, struct str *name)
{
	static const enum dns_type types[] = {
	    DNS_A, DNS_NS, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_TLSA};
	size_t colon = str_chr(text, ':');
	struct str word = str_trim(str_sub(text, 0, colon));

	if (colon == STR_NPOS)
		return false;
	text = str_trim(str_from(text, colon + 1));
	*name = STR(".");
	if (!str_eq(text, *name) && !dns_name_normal(text, arena, name))
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq_nocase(word, str_c(dns_type_name(types[i])))) {
			*type = types[i];
			return true;
		}
	return false;
}

static void
probe_fiber(void *arg)
{
	struct dns *dns = arg;
	struct arena *arena = arena_new(0);
	struct str text = dns->settings->dnssec_probe, name;
	struct dns_answer answer;
	enum dns_type type;

	if (!dns_probe_parse(text, arena, &type, &name)) {
		log_warning(
		    "dnssec_probe = %.*s: this is no \"type:name\"; not looked up", STR_ARG(text));
	} else {
		dns_resolve(dns->resolver, name, type, arena, &answer);
		dns->validates |= answer.authentic;
		if (answer.status == DNS_OK && !answer.authentic)
			log_warning("DNSSEC is without effect: the answer to dnssec_probe = %.*s "
				    "is not validated. "
				    "Does the name server validate?",
			    STR_ARG(text));
		else if (answer.status != DNS_OK)
			log_warning("DNSSEC may be without effect: dnssec_probe = %.*s: %.*s",
			    STR_ARG(text), STR_ARG(answer.why));
	}
	arena_free(&arena);
}

void
dns_look_whether_validates(struct dns *dns)
{
	const struct dns_settings *s = dns->settings;

	/* Where the servers are not trusted, the log has said so at the start. */
	if (dns->validates || dns->validates_asked || s->level != DNS_LEVEL_DNSSEC || !s->trusted ||
	    s->dnssec_probe.len == 0)
		return;
	dns->validates_asked = true;
	fiber_spawn("dnssec_probe", probe_fiber, dns);
}
