/*
 * hosts - the hosts file: "address name alias…" lines, hosts(5)
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/internal.h"

#define ADDRESSES_MAX 64 /* of one name; more are not looked at */

struct host_address {
	struct host_address *next;
	union dns_address address;
};

struct host {
	size_t n;
	struct host_address *first, **end;
};

struct dns_hosts {
	struct arena *arena;
	struct hash *names;
};

static void
add(struct dns_hosts *hosts, struct str name, const union dns_address *address)
{
	struct host *host = hash_get(hosts->names, name);
	struct host_address *entry;

	if (!host) {
		host = ARENA_NEW(hosts->arena, struct host);
		host->end = &host->first;
		hash_put(hosts->names, name, host);
	}
	if (host->n == ADDRESSES_MAX)
		return;
	host->n++;
	entry = ARENA_NEW(hosts->arena, struct host_address);
	entry->address = *address;
	*host->end = entry;
	host->end = &entry->next;
}

static void
add_line(struct dns_hosts *hosts, struct str line, struct arena *scratch)
{
	union dns_address address;
	struct str word, name;

	if (!str_token(&line, " \t\r", &word) || !dns_address_parse(word, &address))
		return;
	while (str_token(&line, " \t\r", &word))
		if (dns_name_normal(word, scratch, &name))
			add(hosts, name, &address);
}

struct dns_hosts *
dns_hosts_parse(struct str text)
{
	struct dns_hosts *hosts = MEM_NEW(struct dns_hosts);
	struct arena *scratch = arena_new(0);
	struct str line;

	hosts->arena = arena_new(0);
	hosts->names = hash_new();
	while (str_token(&text, "\n", &line)) {
		add_line(hosts, str_sub(line, 0, str_chr(line, '#')), scratch);
		arena_reset(scratch);
	}
	arena_free(&scratch);
	return hosts;
}

void
dns_hosts_free(struct dns_hosts **hosts)
{
	if (!*hosts)
		return;
	hash_free(&(*hosts)->names, NULL);
	arena_free(&(*hosts)->arena);
	free(*hosts);
	*hosts = NULL;
}

struct dns_record *
dns_hosts_find(const struct dns_hosts *hosts, struct str name, unsigned families,
    struct arena *arena, size_t *n)
{
	struct dns_record *records;
	struct str normal;
	struct host *host = NULL;

	*n = 0;
	if (dns_name_normal(name, arena, &normal))
		host = hash_get(hosts->names, normal);
	if (!host)
		return NULL;
	records = arena_array(arena, host->n, sizeof(*records));
	for (const struct host_address *a = host->first; a; a = a->next) {
		bool six = a->address.sa.sa_family == AF_INET6;

		if (!(families & (six ? DNS_IPV6 : DNS_IPV4)))
			continue;
		records[*n].type = six ? DNS_AAAA : DNS_A;
		records[*n].address = a->address;
		(*n)++;
	}
	return records;
}
