/*
 * fuzz_dns - what a name server may send, and what lib/dns reads from files and next hops
 *
 * The first byte chooses the form: an answer behind the question as it was asked (the second byte the type),
 * a whole packet, resolv.conf, nsswitch.conf, a hosts file, a next hop, a domain name. Whatever comes: the
 * answer says records or none, and then why; no more than promised; the same again when it is read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/dns/internal.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text and records of one answer: the limit of packet.c and what may stand in its way. */
#define ANSWER_BYTES ((size_t)1024 * 1024)

static const struct str asked_name = {"a.example", 9};

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* --- Answers ---------------------------------------------------------------------------------------- */

static void
check_record(const struct dns_record *r, enum dns_type type)
{
	must(r->type == type && r->ttl <= INT32_MAX);
	must(r->name.len < DNS_NAME_TEXT && str_chr(r->name, '\0') == STR_NPOS);
	if (type == DNS_MX || type == DNS_PTR || type == DNS_CNAME)
		must(r->name.len > 0);
	if (type == DNS_A)
		must(r->address.sa.sa_family == AF_INET);
	if (type == DNS_AAAA)
		must(r->address.sa.sa_family == AF_INET6);
}

static void
check_use(const struct dns_reply *reply, struct arena *arena)
{
	struct dns_answer answer = {.records = reply->records, .n = reply->n, .ttl = reply->ttl},
			  copy;
	struct dns_tlsa *usable = arena_array(arena, reply->n + 1, sizeof(*usable));

	must(dns_tlsa_usable(reply->records, reply->n, usable) <= reply->n);
	dns_answer_copy(&answer, 60, arena, &copy);
	must(copy.n == reply->n && copy.ttl <= reply->ttl);
}

static void
read_answer(struct str packet, enum dns_type type)
{
	struct arena *arena = arena_new(0);
	struct dns_reply reply, again;

	dns_packet_read(packet, asked_name, type, arena, &reply);
	must(arena_used(arena) <= ANSWER_BYTES);
	must((reply.kind == DNS_REPLY_RECORDS) == (reply.n > 0) && reply.n <= DNS_RECORDS_MAX);
	must((reply.kind == DNS_REPLY_FAILED) == (reply.why != NULL));
	must(reply.aliases <= DNS_CHAIN_MAX + 1);
	for (size_t i = 0; i < reply.n; i++)
		check_record(&reply.records[i], type);
	check_use(&reply, arena);
	dns_packet_read(packet, asked_name, type, arena, &again);
	must(again.kind == reply.kind && again.n == reply.n && again.ttl == reply.ttl &&
	    str_eq(again.canonical, reply.canonical));
	arena_free(&arena);
}

static enum dns_type
type_of(uint8_t byte)
{
	static const enum dns_type types[] = {
	    DNS_A, DNS_AAAA, DNS_MX, DNS_TXT, DNS_PTR, DNS_CNAME, DNS_TLSA, DNS_NS};

	return types[byte % (sizeof(types) / sizeof(types[0]))];
}

/* BODY: bytes 3 and 4 of the header, then the counts of the sections, then what follows the question. */
static void
read_behind_question(enum dns_type type, struct str body)
{
	struct buf packet = {0};

	if (body.len < 8)
		return;
	must(dns_packet_ask(asked_name, type, 0, &packet));
	memcpy(packet.data + 2, body.data, 2);
	packet.data[2] = (char)(packet.data[2] | 0x80);
	memcpy(packet.data + 6, body.data + 2, 6);
	buf_str(&packet, str_from(body, 8));
	if (packet.len <= DNS_PACKET_MAX)
		read_answer(buf_view(&packet), type);
	buf_free(&packet);
}

/* --- Files and next hops ---------------------------------------------------------------------------- */

static void
read_resolv(struct str text)
{
	struct arena *arena = arena_new(0);
	struct dns_resolv resolv;

	dns_resolv_parse(text, arena, &resolv);
	must(resolv.n_servers <= DNS_SERVERS_MAX && resolv.n_search <= DNS_SEARCH_MAX);
	must(resolv.timeout >= 1 && resolv.attempts >= 1 && resolv.ndots >= 0);
	for (size_t i = 0; i < resolv.n_servers; i++)
		must(resolv.servers[i].address.in.sin_port != 0);
	arena_free(&arena);
}

static void
read_nsswitch(struct str text)
{
	enum dns_way ways[DNS_WAYS];

	dns_nsswitch_parse(text, ways);
	must(ways[0] != DNS_WAY_NONE && ways[0] != ways[1]);
}

static void
read_hosts(struct str text)
{
	struct arena *arena = arena_new(0);
	struct dns_hosts *hosts = dns_hosts_parse(text);
	struct dns_record *records;
	size_t n;

	records = dns_hosts_find(hosts, asked_name, DNS_IPV4, arena, &n);
	for (size_t i = 0; i < n; i++)
		must(records[i].type == DNS_A && records[i].address.sa.sa_family == AF_INET);
	dns_hosts_free(&hosts);
	arena_free(&arena);
}

static void
read_hop(struct str text)
{
	struct arena *arena = arena_new(0);
	struct hash *services = hash_new();
	struct dns_hop_name hop;
	struct buf why = {0};
	bool ok;

	hash_put(services, STR("smtp"), (void *)(uintptr_t)26);
	ok = dns_hop_parse(text, "smtp", services, arena, &hop, &why);
	must(ok == (why.len == 0) && (!ok || (hop.port > 0 && hop.host.len > 0)));
	buf_free(&why);
	hash_free(&services, NULL);
	arena_free(&arena);
}

static void
read_name(struct str text)
{
	struct arena *arena = arena_new(0);
	struct buf why = {0}, question = {0};
	struct str ascii, normal;

	if (dns_ascii(text, arena, &ascii, &why)) {
		for (size_t i = 0; i < ascii.len; i++)
			must((unsigned char)ascii.data[i] < 0x80);
		if (dns_name_normal(ascii, arena, &normal))
			dns_packet_ask(normal, DNS_MX, DNS_ASK_EDNS, &question);
		must(question.len <= 512);
	} else {
		must(why.len > 0);
	}
	buf_free(&why);
	buf_free(&question);
	arena_free(&arena);
}

/* ---------------------------------------------------------------------------------------------------- */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int nowhere[2];

	(void)argc, (void)argv;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, nowhere) != 0)
		return 1;
	close(nowhere[1]);
	log_to_socket(nowhere[0], false);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text;

	if (size < 2)
		return 0;
	text = str_n(data + 2, size - 2);
	switch (data[0] % 8) {
	case 0:
	case 1:
		read_behind_question(type_of(data[1]), text);
		break;
	case 2:
		read_answer(text, type_of(data[1]));
		break;
	case 3:
		read_resolv(text);
		break;
	case 4:
		read_nsswitch(text);
		break;
	case 5:
		read_hosts(text);
		break;
	case 6:
		read_hop(text);
		break;
	default:
		read_name(text);
	}
	return 0;
}
