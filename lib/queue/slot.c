/*
 * slot - header, marks and reasons: see slot.h and doc/queue.md
 *
 * Every field is decimal or hexadecimal text of fixed width, so that an encoder cannot overflow and a
 * decoder need not search.
 */
#include "lib/queue/slot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Public: the sums find damage, they do not authenticate. */
static const uint64_t sum_key[2] = {0x706f73746b656570, 0x736c6f742d312121};

#define HEADER_CHECKED 176 /* bytes of the header that its check covers */
#define STATE_CHECKED 72
#define RCPT_CHECKED 12
#define REASON_CHECKED 480

uint64_t
slot_envelope_offset(uint32_t rcpts)
{
	return SLOT_MARKS_OFFSET + (uint64_t)rcpts * SLOT_MARK_SIZE;
}

uint64_t
slot_content_offset(const struct slot_header *h)
{
	return slot_envelope_offset(h->rcpts) + h->envelope;
}

uint64_t
slot_reasons_offset(const struct slot_header *h)
{
	uint64_t end = slot_content_offset(h) + h->content;

	return (end + SLOT_REASON_SIZE - 1) / SLOT_REASON_SIZE * SLOT_REASON_SIZE;
}

void
slot_sum_init(struct siphash *s)
{
	siphash_init(s, sum_key);
}

/* The check of a field: over its generation, its place and its text. */
static uint64_t
field_check(const char *id, uint64_t place, const char *text, size_t n)
{
	struct siphash s;

	siphash_init(&s, sum_key);
	siphash_update(&s, id, strnlen(id, QUEUE_ID_SIZE));
	siphash_update(&s, &place, sizeof(place));
	siphash_update(&s, text, n);
	return siphash_final(&s);
}

/* Writes N bytes: TEXT, spaces, and a line end. */
static void
put_padded(char *out, size_t n, const char *text, size_t len)
{
	if (len > n - 1)
		len = n - 1;
	memcpy(out, text, len);
	memset(out + len, ' ', n - 1 - len);
	out[n - 1] = '\n';
}

/* Writes the check as 16 hexadecimal digits and a line end behind CHECKED bytes; pads to SIZE. */
static void
put_checked(char *out, size_t checked, size_t size, const char *id, uint64_t place)
{
	char digits[18];

	snprintf(digits, sizeof(digits), "%016" PRIx64, field_check(id, place, out, checked));
	put_padded(out + checked, size - checked, digits, 16);
}

static bool
check_holds(struct str data, size_t checked, size_t size, const char *id, uint64_t place)
{
	char digits[18];

	if (data.len < size)
		return false;
	snprintf(digits, sizeof(digits), "%016" PRIx64, field_check(id, place, data.data, checked));
	return memcmp(data.data + checked, digits, 16) == 0;
}

void
slot_put_header(const struct slot_header *h, char out[SLOT_HEADER_SIZE])
{
	char text[HEADER_CHECKED + 32];
	int n = snprintf(text, sizeof(text),
	    "postkeep-slot 1\nid %-24s\nrcpts %07" PRIu32 "\nenvelope %010" PRIu64
	    "\ncontent %012" PRIu64 "\narrival %016" PRId64 "\nsum %016" PRIx64 "\ncheck ",
	    h->id, h->rcpts, h->envelope, h->content, h->arrival_us, h->sum);

	put_padded(out, HEADER_CHECKED + 1, text, (size_t)n);
	put_checked(out, HEADER_CHECKED, SLOT_HEADER_SIZE, h->id, 0);
}

/* Reads DIGITS decimal digits behind NAME at *AT. */
static bool
get_field(
    struct str data, size_t *at, const char *name, size_t digits, uint64_t max, uint64_t *value)
{
	struct str label = str_c(name);

	if (!str_eq(str_sub(data, *at, label.len), label))
		return false;
	*at += label.len;
	if (!str_to_u64(str_sub(data, *at, digits), max, value))
		return false;
	*at += digits + 1;
	return true;
}

static bool
get_hex(struct str s, size_t digits, uint64_t *value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (unsigned)(c - 'a' + 10);
		else
			return false;
	}
	*value = v;
	return s.len == digits;
}

static bool
all_zero(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != '\0')
			return false;
	return true;
}

static bool
get_header_fields(struct str data, struct slot_header *h)
{
	struct str intro = STR("postkeep-slot 1\nid ");
	struct str id = str_trim_end(str_sub(data, intro.len, QUEUE_ID_SIZE - 1));
	size_t at = intro.len + QUEUE_ID_SIZE;
	uint64_t rcpts, arrival;

	if (!str_starts(data, intro) || id.len == 0)
		return false;
	memcpy(h->id, id.data, id.len);
	h->id[id.len] = '\0';
	if (!get_field(data, &at, "rcpts ", 7, SLOT_RCPTS_MAX, &rcpts) ||
	    !get_field(data, &at, "envelope ", 10, SLOT_ENVELOPE_MAX, &h->envelope) ||
	    !get_field(data, &at, "content ", 12, UINT64_MAX, &h->content) ||
	    !get_field(data, &at, "arrival ", 16, INT64_MAX, &arrival))
		return false;
	h->rcpts = (uint32_t)rcpts;
	h->arrival_us = (int64_t)arrival;
	return str_eq(str_sub(data, at, 4), STR("sum ")) &&
	    get_hex(str_sub(data, at + 4, 16), 16, &h->sum);
}

enum slot_verdict
slot_get_header(struct str data, struct slot_header *h)
{
	int64_t time_us;
	uint32_t number;

	*h = (struct slot_header){0};
	if (data.len < SLOT_HEADER_SIZE)
		return all_zero(data) ? SLOT_BLANK : SLOT_BAD;
	if (all_zero(str_sub(data, 0, SLOT_HEADER_SIZE)))
		return SLOT_BLANK;
	if (!get_header_fields(data, h) || !queue_id_parse(str_c(h->id), &time_us, &number) ||
	    !check_holds(data, HEADER_CHECKED, SLOT_HEADER_SIZE, h->id, 0))
		return SLOT_BAD;
	return SLOT_OK;
}

void
slot_put_mark(const char *id, const struct slot_mark *m, char out[SLOT_STATE_SIZE])
{
	char text[STATE_CHECKED + 64];
	uint64_t next = m->next > 0 ? (uint64_t)m->next : 0;
	int n = snprintf(text, sizeof(text),
	    "state %c next %012" PRIu64 " tries %05u work %u warned %c expire %c", m->state,
	    next % 1000000000000, m->tries % 100000, m->work % 10, m->warned ? 'y' : 'n',
	    m->expire ? 'y' : 'n');

	/* Marks of the first days end here; what follows takes what they left of the checked bytes. */
	if (m->renewed > 0 && m->renewed <= UINT32_MAX)
		n += snprintf(
		    text + n, sizeof(text) - (size_t)n, " @%08" PRIx64, (uint64_t)m->renewed);
	put_padded(out, STATE_CHECKED + 1, text, (size_t)n);
	put_checked(out, STATE_CHECKED, SLOT_STATE_SIZE, id, SLOT_STATE_OFFSET);
}

bool
slot_get_mark(const char *id, struct str data, struct slot_mark *m)
{
	size_t at = STR("state Q").len + 1;
	uint64_t next, tries, work, renewed = 0;

	*m = (struct slot_mark){.state = SLOT_INCOMING};
	if (!check_holds(data, STATE_CHECKED, SLOT_STATE_SIZE, id, SLOT_STATE_OFFSET))
		return false;
	if (!str_starts(data, STR("state ")) || !memchr("IQDHF", data.data[6], 5) ||
	    !get_field(data, &at, "next ", 12, UINT64_MAX, &next) ||
	    !get_field(data, &at, "tries ", 5, UINT32_MAX, &tries) ||
	    !get_field(data, &at, "work ", 1, 9, &work))
		return false;
	m->state = (enum slot_state)data.data[6];
	m->next = (int64_t)next;
	m->tries = (unsigned)tries;
	m->work = (unsigned)work;
	m->warned = data.data[at + 7] == 'y';
	m->expire = data.data[at + 16] == 'y';
	if (data.data[at + 18] == '@' && !get_hex(str_sub(data, at + 19, 8), 8, &renewed))
		return false;
	m->renewed = (int64_t)renewed;
	return true;
}

static uint64_t
rcpt_place(uint32_t index)
{
	return SLOT_MARKS_OFFSET + (uint64_t)index * SLOT_MARK_SIZE;
}

void
slot_put_rcpt_mark(
    const char *id, uint32_t index, const struct slot_rcpt_mark *m, char out[SLOT_MARK_SIZE])
{
	char text[RCPT_CHECKED + 16];
	int n = snprintf(text, sizeof(text), "%07" PRIu32 " %c %02u", index % 10000000, m->state,
	    m->reason <= SLOT_REASONS ? m->reason : 0);

	put_padded(out, RCPT_CHECKED + 1, text, (size_t)n);
	put_checked(out, RCPT_CHECKED, SLOT_MARK_SIZE, id, rcpt_place(index));
}

bool
slot_get_rcpt_mark(const char *id, uint32_t index, struct str data, struct slot_rcpt_mark *m)
{
	uint64_t number, reason;

	*m = (struct slot_rcpt_mark){.state = SLOT_RCPT_TODO};
	if (!check_holds(data, RCPT_CHECKED, SLOT_MARK_SIZE, id, rcpt_place(index)))
		return false;
	if (!str_to_u64(str_sub(data, 0, 7), UINT32_MAX, &number) || number != index ||
	    !memchr("QSNFBX", data.data[8], 6) ||
	    !str_to_u64(str_sub(data, 10, 2), SLOT_REASONS, &reason))
		return false;
	m->state = (enum slot_rcpt_state)data.data[8];
	m->reason = (unsigned)reason;
	return true;
}

/* Appends "<length> <text>\n", cut so that it fits before END; never within a UTF-8 sequence. */
static char *
put_counted(char *out, const char *end, struct str s)
{
	size_t room = (size_t)(end - out);
	size_t n = s.len;

	if (room < 6)
		return out;
	if (n > room - 6)
		n = room - 6;
	while (n > 0 && n < s.len && ((unsigned char)s.data[n] & 0xc0) == 0x80)
		n--;
	out += snprintf(out, 6, "%04u ", (unsigned)n);
	if (n > 0) /* an empty one may be NULL */
		memcpy(out, s.data, n);
	out[n] = '\n';
	return out + n + 1;
}

void
slot_put_reason(
    const char *id, unsigned index, const struct slot_reason *r, char out[SLOT_REASON_SIZE])
{
	char text[REASON_CHECKED];
	char *p = text;

	/* The text first gets what it needs, up to a share, so that none starves the others. */
	p = put_counted(p, p + 24, r->dsn);
	p = put_counted(p, p + 270, r->text);
	p = put_counted(p, p + 70, r->remote_mta);
	p = put_counted(p, text + sizeof(text) - 1, r->diagnostic);
	put_padded(out, REASON_CHECKED + 1, text, (size_t)(p - text));
	put_checked(out, REASON_CHECKED, SLOT_REASON_SIZE, id, index);
}

static bool
get_counted(struct str data, size_t *at, struct arena *a, struct str *s)
{
	uint64_t n;

	if (!str_to_u64(str_sub(data, *at, 4), REASON_CHECKED, &n) || *at + 5 + n >= data.len)
		return false;
	*s = arena_str(a, str_sub(data, *at + 5, (size_t)n));
	*at += 6 + (size_t)n;
	return true;
}

bool
slot_get_reason(
    const char *id, unsigned index, struct str data, struct arena *a, struct slot_reason *r)
{
	size_t at = 0;

	*r = (struct slot_reason){STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY};
	if (!check_holds(data, REASON_CHECKED, SLOT_REASON_SIZE, id, index))
		return false;
	data = str_sub(data, 0, REASON_CHECKED);
	return get_counted(data, &at, a, &r->dsn) && get_counted(data, &at, a, &r->text) &&
	    get_counted(data, &at, a, &r->remote_mta) && get_counted(data, &at, a, &r->diagnostic);
}
