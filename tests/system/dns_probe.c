/*
 * dns_probe - lib/dns and nothing else, for test_dns.py
 *
 *	dns_probe DIR PREFIX
 *
 * DIR has main.cf, and in place of the system's files resolv.conf, hosts, nsswitch.conf and services. Commands
 * come as lines on standard input, each answer is one line of JSON:
 *	query NAME TYPE     host NAME     reverse ADDRESS     ascii NAME     sleep MS
 *	many N NAME TYPE    N fibers ask at the same time; the answer of the last. "#" in NAME is each one's number
 *	begin N NAME TYPE   the same, and nobody waits for it
 *	hop HOP [no_mx] [configured] [me=NAME] [me=ADDRESS]…
 *	tlsa HOP [force]    for each target of the hop
 *	stop                ends it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/dns/internal.h"
#include "lib/fiber/stream.h"

/* Fibers that ask the same, or names with a number of their own. */
struct many {
	struct arena *arena;
	struct str name;
	size_t next;
	enum dns_type type;
	size_t left;
	struct fiber_waitq done;
	struct dns_answer answer;
};

static struct dns_probe {
	struct stream *io;
	struct arena *arena;
	struct arena *lasting;
	struct many begun;
	struct buf out;
} probe;

/* --- JSON ------------------------------------------------------------------------------------------- */

static void
put_text(const char *key, struct str s)
{
	buf_printf(&probe.out, "\"%s\": \"", key);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			buf_printf(&probe.out, "\\u%04x", c);
		else
			buf_putc(&probe.out, (char)c);
	}
	buf_puts(&probe.out, "\", ");
}

static void
put_number(const char *key, uint64_t n)
{
	buf_printf(&probe.out, "\"%s\": %llu, ", key, (unsigned long long)n);
}

/* Takes back the comma behind the last member. */
static void
put_end(const char *text)
{
	if (probe.out.len >= 2 && probe.out.data[probe.out.len - 2] == ',')
		buf_truncate(&probe.out, probe.out.len - 2);
	buf_puts(&probe.out, text);
}

static void
put_record(const struct dns_record *r)
{
	buf_puts(&probe.out, "{");
	put_text("type", str_c(dns_type_name(r->type)));
	put_number("ttl", r->ttl);
	switch (r->type) {
	case DNS_A:
	case DNS_AAAA:
		put_text("address", dns_address_text(&r->address, probe.arena));
		break;
	case DNS_MX:
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		put_number("preference", r->preference);
		put_text("name", r->name);
		break;
	case DNS_TXT:
		put_text("txt", r->txt);
		break;
	case DNS_TLSA:
		put_number("usage", r->tlsa.usage);
		put_number("selector", r->tlsa.selector);
		put_number("matching", r->tlsa.matching);
		put_number("bytes", r->tlsa.data.len);
		break;
	}
	put_end("}, ");
}

static void
put_answer(const struct dns_answer *answer)
{
	static const char *const words[] = {
	    "OK", "NO_NAME", "NO_DATA", "AGAIN", "BOGUS", "FILTERED"};

	buf_puts(&probe.out, "{");
	put_text("status", str_c(words[answer->status]));
	put_number("authentic", answer->authentic);
	put_number("ttl", answer->ttl);
	put_text("canonical", answer->canonical);
	put_text("why", answer->why);
	buf_puts(&probe.out, "\"records\": [");
	for (size_t i = 0; i < answer->n; i++)
		put_record(&answer->records[i]);
	put_end("]}\n");
}

/* --- Commands --------------------------------------------------------------------------------------- */

static enum dns_type
type_of(struct str word)
{
	static const enum dns_type types[] = {
	    DNS_A, DNS_AAAA, DNS_MX, DNS_TXT, DNS_PTR, DNS_CNAME, DNS_TLSA, DNS_NS};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(word, str_c(dns_type_name(types[i]))))
			return types[i];
	log_fatal("no such type: %.*s", STR_ARG(word));
}

static void
one_of_many(void *arg)
{
	struct many *many = arg;
	size_t at = str_chr(many->name, '#');
	struct str name = many->name;
	struct dns_answer answer;

	if (at != STR_NPOS)
		name = arena_printf(many->arena, "%.*s%zu%.*s", (int)at, name.data, many->next++,
		    STR_ARG(str_from(name, at + 1)));
	dns_query(name, many->type, many->arena, &answer);
	/* Of all that went wrong one is told. */
	if (many->answer.status == DNS_OK)
		many->answer = answer;
	many->left--;
	fiber_wake_all(&many->done);
}

static void
begin_many(struct many *many, struct arena *arena, const struct str words[4])
{
	uint64_t n = 0;

	memset(many, 0, sizeof(*many));
	str_to_u64(words[1], 100000, &n);
	many->arena = arena;
	many->name = arena_str(arena, words[2]);
	many->type = type_of(words[3]);
	many->left = n;
	fiber_waitq_init(&many->done);
	for (uint64_t i = 0; i < n; i++)
		fiber_spawn("one of many", one_of_many, many);
}

static void
ask_many(const struct str words[4])
{
	struct many many;

	begin_many(&many, probe.arena, words);
	while (many.left > 0)
		fiber_wait(&many.done, FIBER_FOREVER);
	put_answer(&many.answer);
}

static void
reverse(struct str word)
{
	union dns_address address;
	struct dns_answer answer;

	if (!dns_address_parse(word, &address))
		log_fatal("no address: %.*s", STR_ARG(word));
	dns_reverse(&address.sa, probe.arena, &answer);
	put_answer(&answer);
}

static void
ascii(struct str word)
{
	struct buf why = {0};
	struct str out = STR_EMPTY;

	buf_puts(&probe.out, "{");
	put_number("ok", dns_ascii(word, probe.arena, &out, &why));
	put_text("ascii", out);
	put_text("why", buf_view(&why));
	put_end("}\n");
	buf_free(&why);
}

/* --- Next hops -------------------------------------------------------------------------------------- */

struct me {
	struct str names[8];
	size_t n;
};

static bool
is_me(void *ctx, struct str host, const struct sockaddr *address)
{
	const struct me *me = ctx;
	struct str text = host;

	if (address) {
		union dns_address a = {.sa = {0}};

		memcpy(&a, address, address->sa_family == AF_INET6 ? sizeof(a.in6) : sizeof(a.in));
		text = dns_address_text(&a, probe.arena);
	}
	for (size_t i = 0; i < me->n; i++)
		if (str_eq(me->names[i], text))
			return true;
	return false;
}

static void
put_target(const struct dns_target *t)
{
	buf_puts(&probe.out, "{");
	put_text("host", t->host);
	put_text("canonical", t->canonical);
	put_text("address", t->text);
	put_number("port", t->port);
	put_number("connects_to",
	    ntohs(t->address.sa.sa_family == AF_INET6 ? t->address.in6.sin6_port
						      : t->address.in.sin_port));
	put_number("preference", t->preference);
	put_number("mx_authentic", t->mx_authentic);
	put_number("address_authentic", t->address_authentic);
	put_number("ttl", t->ttl);
	put_end("}, ");
}

static void
put_hop(const struct dns_next_hop *hop)
{
	static const char *const words[] = {"OK", "MYSELF", "BOUNCE", "DEFER"};

	buf_puts(&probe.out, "{");
	put_text("status", str_c(words[hop->status]));
	put_text("domain", hop->domain);
	put_number("port", hop->port);
	put_number("literal", hop->literal);
	put_number("kept", arena_used(probe.arena));
	put_number("mx", hop->mx);
	put_text("dsn", hop->dsn);
	put_text("why", hop->why);
	buf_puts(&probe.out, "\"targets\": [");
	for (size_t i = 0; i < hop->n; i++)
		put_target(&hop->targets[i]);
	put_end("]}\n");
}

static void
hop(struct str line, struct dns_next_hop *out)
{
	struct me me = {.n = 0};
	struct dns_hop_options options = {.service = "smtp", .ctx = &me};
	struct str word, name = STR_EMPTY;

	str_token(&line, " \n", &name);
	while (str_token(&line, " \n", &word)) {
		options.no_mx |= str_eq(word, STR("no_mx"));
		options.configured |= str_eq(word, STR("configured"));
		if (str_starts(word, STR("me=")) && me.n < 8) {
			me.names[me.n++] = str_from(word, 3);
			options.is_me = is_me;
		}
	}
	dns_next_hop(name, &options, probe.arena, out);
}

static void
tlsa(struct str line)
{
	static const char *const words[] = {"USABLE", "UNUSABLE", "NONE", "AGAIN"};
	bool force = str_find(line, STR(" force")) != STR_NPOS;
	struct dns_tlsa_answer answer;
	struct dns_next_hop next;

	hop(line, &next);
	buf_puts(&probe.out, "[");
	for (size_t i = 0; i < next.n; i++) {
		dns_tlsa_lookup(&next.targets[i], force, probe.arena, &answer);
		buf_puts(&probe.out, "{");
		put_text("host", next.targets[i].host);
		put_text("status", str_c(words[answer.status]));
		put_text("base", answer.base);
		put_number("n", answer.n);
		put_text("why", answer.why);
		put_end("}, ");
	}
	put_end("]\n");
}

/* --- All commands ----------------------------------------------------------------------------------- */

static bool
run_hop(struct str line)
{
	struct dns_next_hop next;

	if (str_starts(line, STR("hop "))) {
		hop(str_from(line, 4), &next);
		put_hop(&next);
		return true;
	}
	if (str_starts(line, STR("tlsa "))) {
		tlsa(str_from(line, 5));
		return true;
	}
	return false;
}

static void
run(struct str line)
{
	struct str words[4] = {STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY};
	struct dns_answer answer;
	uint64_t ms = 0;

	for (size_t i = 0; i < 4 && str_token(&line, " \n", &words[i]); i++)
		continue;
	if (str_eq(words[0], STR("query"))) {
		dns_query(words[1], type_of(words[2]), probe.arena, &answer);
		put_answer(&answer);
	} else if (str_eq(words[0], STR("host"))) {
		dns_host(words[1], DNS_IPV4 | DNS_IPV6, probe.arena, &answer);
		put_answer(&answer);
	} else if (str_eq(words[0], STR("many"))) {
		ask_many(words);
	} else if (str_eq(words[0], STR("begin"))) {
		begin_many(&probe.begun, probe.lasting, words);
		buf_puts(&probe.out, "{}\n");
	} else if (str_eq(words[0], STR("reverse"))) {
		reverse(words[1]);
	} else if (str_eq(words[0], STR("ascii"))) {
		ascii(words[1]);
	} else if (str_eq(words[0], STR("sleep")) && str_to_u64(words[1], 60000, &ms)) {
		fiber_sleep((int64_t)ms);
		buf_puts(&probe.out, "{}\n");
	} else {
		log_fatal("no such command: %.*s", STR_ARG(words[0]));
	}
}

static void
main_fiber(void *arg)
{
	struct str line;

	(void)arg;
	probe.io = stream_fd_pair(0, 1);
	probe.arena = arena_new(0);
	probe.lasting = arena_new(0);
	stream_timeout(probe.io, 0);
	while (
	    stream_read_line(probe.io, 4096, &line) == STREAM_OK && !str_eq(line, STR("stop\n"))) {
		line = arena_str(probe.arena, line);
		if (!run_hop(line))
			run(line);
		stream_write(probe.io, probe.out.data, probe.out.len);
		stream_flush(probe.io);
		buf_reset(&probe.out);
		arena_reset(probe.arena);
	}
	stream_close(&probe.io);
	arena_free(&probe.arena);
	buf_free(&probe.out);
}

/* --- Start ------------------------------------------------------------------------------------------ */

static void
prepare(const struct conf *conf, const char *dir, const char *prefix)
{
	static const char *const names[] = {"resolv.conf", "hosts", "nsswitch.conf", "services"};
	char path[4][4096];
	struct dns_paths paths = {path[0], path[1], path[2], path[3]};
	struct buf why = {0};
	struct dns_settings *settings;
	struct dns *dns;

	for (size_t i = 0; i < 4; i++)
		snprintf(path[i], sizeof(path[i]), "%s/%s", dir, names[i]);
	settings = dns_settings_read(conf, prefix, &paths, &why);
	dns = settings ? dns_new(settings, &why) : NULL;
	if (!dns)
		log_fatal("%s", buf_cstr(&why));
	dns_set(dns);
	dns_filter_prepare(conf, prefix, NULL);
}

int
main(int argc, char **argv)
{
	struct conf_problems problems = {0};

	if (argc != 3)
		log_fatal("usage: dns_probe DIR PREFIX");
	log_name("postkeep", "dns_probe");
	conf_set(conf_load(argv[1], NULL, 0, &problems));
	for (size_t i = 0; i < problems.count; i++)
		log_warning("%s", problems.list[i].text);
	if (problems.errors > 0)
		return 1;
	prepare(conf_get(), argv[1], argv[2]);
	fiber_main(main_fiber, NULL);
	return 0;
}
