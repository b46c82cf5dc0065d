/*
 * packet - a question as bytes, an answer from bytes
 *
 * Nothing in an answer is believed: each length and count is checked against what is there, pointers in
 * names go backwards only (so they end), names have at most 255 bytes. RFC 1035 section 4, RFC 2308 for what
 * "no" looks like, RFC 6891 (EDNS), RFC 6840 section 5.7 (AD in questions).
 */
#include <ares.h>
#include <arpa/nameser.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/random.h"
#include "lib/dns/internal.h"

/* What fits through every path without fragments: the value that the makers of name servers agreed on. */
#define UDP_SIZE 1232
#define HEADER 12
#define FLAG_AD 0x20 /* in byte 3 of the header */
#define FLAG_CD 0x10
/* Records, and text of the names and data, of one answer, altogether; what is beyond is not looked at. */
#define TEXT_MAX ((size_t)512 * 1024)
#define NO_TTL 60     /* of a "no" that does not say how long it holds */
#define JUMPS_MAX 127 /* pointers in one name: a name has no more labels */

/* --- Names and questions ---------------------------------------------------------------------------- */

bool
dns_name_normal(struct str name, struct arena *arena, struct str *out)
{
	size_t label = 0;
	char *to;

	if (name.len > 1 && name.data[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > DNS_NAME_MAX)
		return false;
	to = arena_alloc(arena, name.len + 1);
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (c <= ' ' || c > '~' || c == '\\' || c == '"')
			return false;
		if (c == '.' && label == 0)
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
		to[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	*out = str_n(to, name.len);
	return label > 0;
}

bool
dns_packet_ask(struct str name, enum dns_type type, unsigned flags, struct buf *out)
{
	char text[DNS_NAME_MAX + 1];
	unsigned char *packet = NULL;
	uint16_t id;
	int len = 0;

	if (name.len > DNS_NAME_MAX)
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	random_bytes(&id, sizeof(id));
	if (ares_create_query(text, ns_c_in, (int)type, id, 1, &packet, &len,
		flags & DNS_ASK_EDNS ? UDP_SIZE : 0) != ARES_SUCCESS)
		return false;
	if (flags & DNS_ASK_AD)
		packet[3] |= FLAG_AD;
	if (flags & DNS_ASK_CD)
		packet[3] |= FLAG_CD;
	buf_append(out, packet, (size_t)len);
	ares_free_string(packet);
	return true;
}

/* --- Reading ---------------------------------------------------------------------------------------- */

struct reader {
	const uint8_t *data;
	size_t len;
	size_t at;
	bool bad; /* something did not fit; all later reads give zeros */
};

static bool
has(struct reader *r, size_t n)
{
	if (r->bad || n > r->len - r->at)
		r->bad = true;
	return !r->bad;
}

static unsigned
read_16(struct reader *r)
{
	unsigned value = 0;

	if (has(r, 2)) {
		value = (unsigned)r->data[r->at] << 8 | r->data[r->at + 1];
		r->at += 2;
	}
	return value;
}

static uint32_t
read_32(struct reader *r)
{
	uint32_t high = read_16(r);

	return high << 16 | read_16(r);
}

/* A name as text, NUL-terminated, without the dot at its end ("." is the root). */
struct name {
	size_t len;
	char text[DNS_NAME_TEXT];
};

static void
put_byte(struct name *name, uint8_t c)
{
	if (c > ' ' && c <= '~' && c != '.' && c != '\\')
		name->text[name->len++] = (char)c;
	else
		name->len += (size_t)snprintf(
		    name->text + name->len, sizeof(name->text) - name->len, "\\%03u", c);
}

/* At most 255 bytes of name make at most 1016 characters of text: DNS_NAME_TEXT is enough. */
static void
read_name(struct reader *r, struct name *name)
{
	size_t at = r->at, bound = r->at, bytes = 0;
	unsigned jumps = 0;

	name->len = 0;
	for (;;) {
		unsigned n;

		if (r->bad || at >= r->len)
			break;
		n = r->data[at];
		if ((n & 0xc0) == 0xc0) {
			if (at + 1 >= r->len)
				break;
			if (jumps == 0)
				r->at = at + 2;
			at = (n & 0x3f) << 8 | r->data[at + 1];
			if (at >= bound || ++jumps > JUMPS_MAX)
				break;
			bound = at;
			continue;
		}
		bytes += n + 1;
		if (n > 63 || bytes > 255 || n >= r->len - at)
			break;
		if (n == 0) {
			if (jumps == 0)
				r->at = at + 1;
			if (name->len == 0)
				name->text[name->len++] = '.';
			name->text[name->len] = '\0';
			return;
		}
		if (name->len > 0)
			name->text[name->len++] = '.';
		for (unsigned i = 1; i <= n; i++)
			put_byte(name, r->data[at + i]);
		at += n + 1;
	}
	r->bad = true;
	name->len = 0;
	name->text[0] = '\0';
}

static struct str
name_view(const struct name *name)
{
	return str_n(name->text, name->len);
}

static bool
name_is(const struct name *name, struct str other)
{
	return str_eq_nocase(name_view(name), other);
}

static struct str
lower(struct str s, struct arena *arena)
{
	struct str copy = arena_str(arena, s);
	char *c = arena_cstr(arena, copy);

	for (size_t i = 0; i < copy.len; i++)
		if (c[i] >= 'A' && c[i] <= 'Z')
			c[i] = (char)(c[i] + ('a' - 'A'));
	return str_n(c, copy.len);
}

/* The part of a record that all types have; data is the rest. */
struct rr {
	struct name owner;
	unsigned type, class;
	uint32_t ttl;
	size_t data, data_len;
};

static bool
read_rr(struct reader *r, struct rr *rr)
{
	read_name(r, &rr->owner);
	rr->type = read_16(r);
	rr->class = read_16(r);
	rr->ttl = read_32(r);
	if (rr->ttl > INT32_MAX) /* RFC 2181 section 8 */
		rr->ttl = 0;
	rr->data_len = read_16(r);
	rr->data = r->at;
	if (!has(r, rr->data_len))
		return false;
	r->at += rr->data_len;
	return true;
}

/* --- One record's data ------------------------------------------------------------------------------ */

static bool
data_address(const struct reader *r, const struct rr *rr, struct dns_record *record)
{
	if (rr->type == DNS_A && rr->data_len == 4) {
		record->address.sa.sa_family = AF_INET;
		memcpy(&record->address.in.sin_addr, r->data + rr->data, 4);
		return true;
	}
	if (rr->type == DNS_AAAA && rr->data_len == 16) {
		record->address.sa.sa_family = AF_INET6;
		memcpy(&record->address.in6.sin6_addr, r->data + rr->data, 16);
		return true;
	}
	return false;
}

static bool
data_name(
    const struct reader *r, const struct rr *rr, struct arena *arena, struct dns_record *record)
{
	struct reader d = {r->data, r->len, rr->data, false};
	struct name name;

	if (rr->type == DNS_MX)
		record->preference = (uint16_t)read_16(&d);
	read_name(&d, &name);
	if (d.bad || d.at != rr->data + rr->data_len)
		return false;
	record->name = arena_str(arena, name_view(&name));
	return true;
}

static bool
data_txt(
    const struct reader *r, const struct rr *rr, struct arena *arena, struct dns_record *record)
{
	char *text = arena_alloc(arena, rr->data_len + 1);
	size_t at = 0, len = 0;

	while (at < rr->data_len) {
		size_t n = r->data[rr->data + at];

		if (n > rr->data_len - at - 1)
			return false;
		memcpy(text + len, r->data + rr->data + at + 1, n);
		len += n;
		at += n + 1;
	}
	record->txt = str_n(text, len);
	return true;
}

static bool
data_tlsa(
    const struct reader *r, const struct rr *rr, struct arena *arena, struct dns_record *record)
{
	const uint8_t *p = r->data + rr->data;

	if (rr->data_len < 3)
		return false;
	record->tlsa.usage = p[0];
	record->tlsa.selector = p[1];
	record->tlsa.matching = p[2];
	record->tlsa.data = arena_str(arena, str_n(p + 3, rr->data_len - 3));
	return true;
}

static bool
read_data(
    const struct reader *r, const struct rr *rr, struct arena *arena, struct dns_record *record)
{
	record->type = (enum dns_type)rr->type;
	record->ttl = rr->ttl;
	switch (record->type) {
	case DNS_A:
	case DNS_AAAA:
		return data_address(r, rr, record);
	case DNS_MX:
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return data_name(r, rr, arena, record);
	case DNS_TXT:
		return data_txt(r, rr, arena, record);
	case DNS_TLSA:
		return data_tlsa(r, rr, arena, record);
	}
	return false;
}

/* --- The answer section ----------------------------------------------------------------------------- */

struct answer_section {
	struct reader begin; /* stands at its first record */
	struct str name;     /* that was asked for */
	enum dns_type type;
	unsigned count; /* records that are looked at */
	size_t limit;   /* of arena_used() */
	bool aliased;
};

/* Gathers the records of TYPE at OWNER; or finds the CNAME record of OWNER. */
struct found {
	size_t n, room;
	struct dns_record *records;
	bool alias;
	uint32_t alias_ttl, ttl;
	struct str target;
	size_t limit; /* of arena_used() */
	bool bad;
};

static bool
keep(const struct reader *r, const struct rr *rr, struct arena *arena, struct found *found)
{
	struct dns_record record = {0};

	if (arena_used(arena) > found->limit)
		return true;
	if (!read_data(r, rr, arena, &record))
		return false;
	if (found->n == found->room) {
		size_t room = found->room ? found->room * 2 : 8;
		struct dns_record *larger = arena_array(arena, room, sizeof(*larger));

		if (found->n > 0)
			memcpy(larger, found->records, found->n * sizeof(*larger));
		found->records = larger;
		found->room = room;
	}
	found->records[found->n++] = record;
	if (rr->ttl < found->ttl)
		found->ttl = rr->ttl;
	return true;
}

static void
find(const struct answer_section *section, struct str owner, struct arena *arena,
    struct found *found)
{
	struct reader r = section->begin;
	struct rr rr;

	memset(found, 0, sizeof(*found));
	found->ttl = INT32_MAX;
	found->limit = section->limit;
	for (unsigned i = 0; i < section->count; i++) {
		if (!read_rr(&r, &rr)) {
			found->bad = true;
			return;
		}
		if (rr.class != ns_c_in || !name_is(&rr.owner, owner))
			continue;
		if (rr.type == (unsigned)section->type) {
			found->bad |= !keep(&r, &rr, arena, found);
		} else if (rr.type == DNS_CNAME && !found->alias) {
			struct dns_record record = {0};

			found->bad |= !data_name(&r, &rr, arena, &record);
			found->alias = true;
			found->alias_ttl = rr.ttl;
			found->target = lower(record.name, arena);
		}
	}
}

/* --- The authority section: what a "no" needs ------------------------------------------------------- */

struct authority {
	bool soa, ns;
	uint32_t ttl;
};

static void
read_authority(struct reader *r, unsigned count, struct authority *out)
{
	struct rr rr;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < count && i < DNS_RECORDS_MAX && read_rr(r, &rr); i++) {
		out->ns |= rr.type == ns_t_ns;
		/* The last four bytes of a SOA record are the minimum: RFC 2308 section 5. */
		if (rr.type == ns_t_soa && rr.data_len >= 22) {
			struct reader d = {r->data, r->len, rr.data + rr.data_len - 4, false};
			uint32_t minimum = read_32(&d);

			out->soa = true;
			out->ttl = minimum < rr.ttl ? minimum : rr.ttl;
		}
	}
}

/* An error that does not fit the header's four bits, where it looks like "no error" (RFC 6891 section 6.1.3). */
static bool
extended_error(struct reader *r, unsigned count)
{
	struct rr rr;

	for (unsigned i = 0; i < count && i < DNS_RECORDS_MAX && read_rr(r, &rr); i++)
		if (rr.type == ns_t_opt && r->data[rr.data - 6] != 0)
			return true;
	return false;
}

/* Skips the records of the answer section that were not looked at. */
static void
skip_rrs(struct reader *r, unsigned count)
{
	struct rr rr;

	while (count-- > 0 && read_rr(r, &rr))
		continue;
}

/* --- The whole -------------------------------------------------------------------------------------- */

static const char *
rcode_text(int rcode)
{
	switch (rcode) {
	case ns_r_formerr:
		return "the server does not understand the question";
	case ns_r_servfail:
		return "server failure";
	case ns_r_notimpl:
		return "not implemented by the server";
	case ns_r_refused:
		return "query refused";
	default:
		return "unusual response code";
	}
}

static void
fail(struct dns_reply *out, const char *why)
{
	out->kind = DNS_REPLY_FAILED;
	out->why = why;
	out->records = NULL;
	out->n = 0;
}

/* The header and the question. False: OUT says what is wrong. */
static bool
read_head(struct reader *r, struct str name, enum dns_type type, struct dns_reply *out)
{
	struct name asked;
	unsigned type_asked, class_asked;

	if (r->len < HEADER || !(r->data[2] & 0x80) || r->len > DNS_PACKET_MAX) {
		fail(out, "malformed answer");
		return false;
	}
	out->rcode = r->data[3] & 0x0f;
	out->ad = r->data[3] & FLAG_AD;
	if (out->rcode != ns_r_noerror && out->rcode != ns_r_nxdomain) {
		fail(out, rcode_text(out->rcode));
		return false;
	}
	r->at = HEADER;
	read_name(r, &asked);
	type_asked = read_16(r);
	class_asked = read_16(r);
	if (r->bad || !name_is(&asked, name) || type_asked != (unsigned)type ||
	    class_asked != ns_c_in)
		fail(out, "answer to another question");
	else if (r->data[2] & 0x02)
		fail(out, "truncated answer");
	else
		return true;
	return false;
}

static void
conclude(struct dns_reply *out, const struct answer_section *section, struct reader *after,
    unsigned authorities, unsigned others, bool authoritative, bool recursive)
{
	struct authority authority;
	struct reader additional;

	read_authority(after, authorities, &authority);
	additional = *after;
	if (!authority.soa)
		authority.ttl = NO_TTL;
	if (authority.ttl < out->ttl)
		out->ttl = authority.ttl;
	if (extended_error(&additional, others))
		fail(out, "unusual response code");
	else if (out->rcode == ns_r_nxdomain)
		out->kind = DNS_REPLY_NO_NAME;
	else if (after->bad)
		fail(out, "malformed answer");
	else if (section->aliased && !authority.soa)
		out->kind = DNS_REPLY_ALIAS;
	else if (authority.soa)
		out->kind = DNS_REPLY_NO_DATA;
	else if (section->count > 0)
		fail(out, "malformed answer");
	else if (authoritative || (recursive && !authority.ns))
		out->kind = DNS_REPLY_NO_DATA;
	else
		fail(out, "lame server: it refers to others");
}

/* Follows the CNAME chain as far as the section has it. False: OUT is made, or failed. */
static bool
follow(struct answer_section *section, struct arena *arena, struct dns_reply *out)
{
	struct found found;

	for (;;) {
		find(section, out->canonical, arena, &found);
		if (found.bad) {
			fail(out, "malformed answer");
			return false;
		}
		if (found.n > 0) {
			out->kind = DNS_REPLY_RECORDS;
			out->records = found.records;
			out->n = found.n;
			if (found.ttl < out->ttl)
				out->ttl = found.ttl;
			return false;
		}
		if (!found.alias)
			return true;
		if (++out->aliases > DNS_CHAIN_MAX) {
			fail(out, "too long a chain of CNAME records, or a loop");
			return false;
		}
		section->aliased = true;
		out->canonical = found.target;
		if (found.alias_ttl < out->ttl)
			out->ttl = found.alias_ttl;
	}
}

void
dns_packet_read(struct str packet, struct str name, enum dns_type type, struct arena *arena,
    struct dns_reply *out)
{
	struct reader r = {(const uint8_t *)packet.data, packet.len, 0, false};
	struct answer_section section = {.name = name, .type = type};
	unsigned questions, answers, authorities, others;

	memset(out, 0, sizeof(*out));
	out->rcode = -1;
	out->ttl = INT32_MAX;
	out->canonical = name;
	r.at = r.len < 4 ? r.len : 4;
	questions = read_16(&r);
	answers = read_16(&r);
	authorities = read_16(&r);
	others = read_16(&r);
	r.bad = false;
	if (!read_head(&r, name, type, out))
		return;
	if (questions != 1) {
		fail(out, "malformed answer");
		return;
	}
	section.begin = r;
	section.limit = arena_used(arena) + TEXT_MAX;
	section.count = answers < DNS_RECORDS_MAX ? answers : DNS_RECORDS_MAX;
	if (!follow(&section, arena, out))
		return;
	skip_rrs(&r, answers);
	conclude(
	    out, &section, &r, authorities, others, packet.data[2] & 0x04, packet.data[3] & 0x80);
}
