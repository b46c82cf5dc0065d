/*
 * drop - writing and reading the stream of a local submission; see drop.h
 *
 * The reader is a small automaton over whole records. It accepts nothing that the writer would not
 * have written, so that every program behind postdrop sees one spelling of each message only.
 */
#include "lib/queue/drop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/mem.h"

#define DIGITS_MAX 8 /* of a record's length */
#define SUM_DIGITS 16
#define VERSION_SUM 2   /* has a K record */
#define VERSION_RCPTS 3 /* O and P records */
#define VERSION_VERP 4  /* has an X record */
#define VERSION_LAST 4

/* ---- Writing --------------------------------------------------------------------------------- */

static void
write_record(struct buf *out, char letter, struct str value)
{
	buf_printf(out, "%c%zu:", letter, value.len);
	buf_str(out, value);
	buf_putc(out, '\n');
}

struct word {
	const char *text;
	unsigned bit;
};

static const struct word notify_words[] = {
    {"never", DSN_NOTIFY_NEVER},
    {"success", DSN_NOTIFY_SUCCESS},
    {"failure", DSN_NOTIFY_FAILURE},
    {"delay", DSN_NOTIFY_DELAY},
};
#define NOTIFY_WORDS (sizeof(notify_words) / sizeof(notify_words[0]))

static void
write_notify(struct buf *out, char letter, uint64_t notify)
{
	char text[64] = "";
	size_t len = 0;

	for (size_t i = 0; i < NOTIFY_WORDS; i++)
		if (notify & notify_words[i].bit)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
			    len ? "," : "", notify_words[i].text);
	if (len)
		write_record(out, letter, str_n(text, len));
}

/* At most MAX bytes of S, cut between characters. */
static struct str
cut_utf8(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max && ((unsigned char)s.data[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

static bool
printable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] < ' ' || s.data[i] == 0x7f)
			return false;
	return true;
}

void
drop_write_begin(struct buf *out, const struct msg_drop_begin *e)
{
	char flags[8];
	size_t n = 0;

	write_record(out, 'V', e->verp.len ? STR("4") : STR("3"));
	write_record(out, 'S', e->sender);
	if (e->full_name.len && printable(e->full_name))
		write_record(out, 'N', cut_utf8(e->full_name, DROP_NAME_MAX));
	if (e->envid.len && e->envid.len <= DROP_ENVID_MAX && printable(e->envid))
		write_record(out, 'E', e->envid);
	if (e->ret != DSN_RET_NONE)
		write_record(out, 'T', e->ret == DSN_RET_FULL ? STR("full") : STR("hdrs"));
	write_notify(out, 'Q', e->notify);
	if (e->body_8bit)
		flags[n++] = '8';
	if (e->smtputf8)
		flags[n++] = 'u';
	if (e->verify_only)
		flags[n++] = 'v';
	if (e->verbose)
		flags[n++] = 'r';
	if (e->remove_bcc)
		flags[n++] = 'b';
	if (e->gateway)
		flags[n++] = 'g';
	if (n)
		write_record(out, 'F', str_n(flags, n));
	if (e->verp.len)
		write_record(out, 'X', e->verp);
}

/* "type;address", whatever an address of that type looks like. */
static bool
orcpt_valid(struct str s)
{
	size_t semicolon = str_chr(s, ';');

	return s.len <= DROP_ORCPT_MAX && printable(s) && semicolon != STR_NPOS && semicolon > 0 &&
	    semicolon + 1 < s.len;
}

void
drop_write_rcpt(struct buf *out, const struct msg_rcpt *rcpt)
{
	if (orcpt_valid(rcpt->orcpt))
		write_record(out, 'O', rcpt->orcpt);
	write_notify(out, 'P', rcpt->notify);
	write_record(out, 'R', rcpt->address);
}

void
drop_write_content(struct buf *out, struct str piece)
{
	while (piece.len) {
		struct str part = str_sub(piece, 0, DROP_PIECE_MAX);

		write_record(out, 'D', part);
		piece = str_from(piece, part.len);
	}
}

void
drop_write_end(struct buf *out, uint64_t size)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64, size);

	write_record(out, 'Z', str_n(text, (size_t)len));
}

/* Finds damage, authenticates nothing: the key is public. */
static const uint64_t sum_key[2] = {0x6d61696c64726f70, 0x706f73746b656570};

void
drop_sum_init(struct siphash *sum)
{
	siphash_init(sum, sum_key);
}

void
drop_write_sum(struct buf *out, struct siphash *sum)
{
	char text[SUM_DIGITS + 1];

	snprintf(text, sizeof(text), "%016" PRIx64, siphash_final(sum));
	write_record(out, 'K', str_n(text, SUM_DIGITS));
}

/* ---- Reading --------------------------------------------------------------------------------- */

enum stage {
	STAGE_VERSION,
	STAGE_ENVELOPE,
	STAGE_RCPTS,
	STAGE_CONTENT,
	STAGE_SUM,
	STAGE_END,
	STAGE_BAD,
};

struct drop_reader {
	struct arena *arena;
	struct msg_drop_begin envelope;
	struct msg_rcpt rcpt; /* of the last event */
	struct buf orcpt;     /* the last O record; has_orcpt: of the recipient to come, … */
	bool has_orcpt;
	uint64_t notify; /* … with this NOTIFY */
	enum stage stage;
	unsigned version;
	unsigned seen; /* letters of the envelope already met, as bits */
	size_t envelope_bytes;
	size_t rcpts;
	uint64_t size, size_limit;
	bool last_cr;   /* content so far ends in CR */
	bool line_open; /* … or within a line */
	bool too_large;
	bool is_file;
	struct siphash sum;
	char why[160];
};

struct record {
	char letter;
	struct str value;
	size_t length; /* of the whole record */
};

struct drop_reader *
drop_reader_new(uint64_t size_limit)
{
	struct drop_reader *r = MEM_NEW(struct drop_reader);

	r->arena = arena_new(0);
	r->size_limit = size_limit;
	return r;
}

struct drop_reader *
drop_reader_of_file(uint64_t size_limit)
{
	struct drop_reader *r = drop_reader_new(size_limit);

	r->is_file = true;
	drop_sum_init(&r->sum);
	return r;
}

void
drop_reader_free(struct drop_reader **r)
{
	if (*r == NULL)
		return;
	arena_free(&(*r)->arena);
	buf_free(&(*r)->orcpt);
	free(*r);
	*r = NULL;
}

const struct msg_drop_begin *
drop_envelope(const struct drop_reader *r)
{
	return &r->envelope;
}

bool
drop_has_sum(const struct drop_reader *r)
{
	return r->version >= VERSION_SUM;
}

struct msg_rcpt
drop_rcpt(const struct drop_reader *r)
{
	return r->rcpt;
}

uint64_t
drop_size(const struct drop_reader *r)
{
	return r->size;
}

size_t
drop_rcpts(const struct drop_reader *r)
{
	return r->rcpts;
}

const char *
drop_why(const struct drop_reader *r)
{
	return r->why;
}

bool
drop_too_large(const struct drop_reader *r)
{
	return r->too_large;
}

static enum drop_event
bad(struct drop_reader *r, const char *why)
{
	r->stage = STAGE_BAD;
	snprintf(r->why, sizeof(r->why), "%s", why);
	return DROP_BAD;
}

/* Finds the record at the start of INPUT. DROP_NEED, DROP_BAD, or anything else when *REC is filled. */
static enum drop_event
find_record(struct drop_reader *r, struct str input, struct record *rec)
{
	size_t i = 1;
	size_t length = 0;

	while (i < input.len && i <= DIGITS_MAX && input.data[i] >= '0' && input.data[i] <= '9')
		length = length * 10 + (size_t)(input.data[i++] - '0');
	if (i >= input.len)
		return DROP_NEED;
	if (i == 1 || input.data[i] != ':' || (input.data[1] == '0' && i > 2))
		return bad(r, "a record does not begin as it should");
	if (length > DROP_PIECE_MAX)
		return bad(r, "a record is too long");
	i++;
	if (input.len < i + length + 1)
		return DROP_NEED;
	if (input.data[i + length] != '\n')
		return bad(r, "a record does not end as it should");
	rec->letter = input.data[0];
	rec->value = str_sub(input, i, length);
	rec->length = i + length + 1;
	return DROP_CONTENT;
}

static bool
read_notify(struct str value, uint64_t *notify)
{
	struct str rest = value;
	struct str word;
	uint64_t bits = 0;

	while (str_token(&rest, ",", &word)) {
		size_t i = 0;

		while (i < NOTIFY_WORDS && !str_eq(word, str_c(notify_words[i].text)))
			i++;
		if (i == NOTIFY_WORDS || (bits & notify_words[i].bit))
			return false;
		bits |= notify_words[i].bit;
	}
	*notify = bits;
	return bits && (!(bits & DSN_NOTIFY_NEVER) || bits == DSN_NOTIFY_NEVER);
}

static bool
read_ret(struct drop_reader *r, struct str value)
{
	if (str_eq(value, STR("full")))
		r->envelope.ret = DSN_RET_FULL;
	else if (str_eq(value, STR("hdrs")))
		r->envelope.ret = DSN_RET_HDRS;
	else
		return false;
	return true;
}

static bool
read_flags(struct drop_reader *r, struct str value)
{
	struct msg_drop_begin *e = &r->envelope;

	for (size_t i = 0; i < value.len; i++) {
		bool *flag = value.data[i] == '8' ? &e->body_8bit
		    : value.data[i] == 'u'        ? &e->smtputf8
		    : value.data[i] == 'v'        ? &e->verify_only
		    : value.data[i] == 'r'        ? &e->verbose
		    : value.data[i] == 'b'        ? &e->remove_bcc
		    : value.data[i] == 'g'        ? &e->gateway
						  : NULL;

		if (flag == NULL || *flag)
			return false;
		*flag = true;
	}
	return value.len > 0;
}

static bool
read_text(struct drop_reader *r, struct str value, size_t max, struct str *out)
{
	if (value.len > max || !printable(value))
		return false;
	*out = arena_str(r->arena, value);
	return true;
}

/* One record of the envelope before the recipients. False: unknown, repeated, or a bad value. */
static bool
read_attribute(struct drop_reader *r, const struct record *rec)
{
	static const char letters[] = "SNETQFX";
	const char *at = rec->letter ? strchr(letters, rec->letter) : NULL;
	unsigned bit;

	if (at == NULL || (rec->letter == 'X' && r->version < VERSION_VERP))
		return false;
	bit = 1u << (at - letters);
	if (r->seen & bit)
		return false;
	r->seen |= bit;
	switch (rec->letter) {
	case 'S':
		return read_text(r, rec->value, MSG_ADDRESS_MAX, &r->envelope.sender);
	case 'N':
		return read_text(r, rec->value, DROP_NAME_MAX, &r->envelope.full_name);
	case 'E':
		return read_text(r, rec->value, DROP_ENVID_MAX, &r->envelope.envid);
	case 'T':
		return read_ret(r, rec->value);
	case 'Q':
		return read_notify(rec->value, &r->envelope.notify);
	case 'X':
		return rec->value.len == 2 && read_text(r, rec->value, 2, &r->envelope.verp);
	default:
		return read_flags(r, rec->value);
	}
}

static bool
rcpt_valid(struct str address)
{
	return address.len > 0 && address.len <= MSG_ADDRESS_MAX && printable(address);
}

/* Wire form: a CR only before an LF, an LF only behind a CR. */
static bool
wire_form(struct drop_reader *r, struct str piece)
{
	bool cr = r->last_cr;

	for (size_t i = 0; i < piece.len; i++) {
		char c = piece.data[i];

		if (cr != (c == '\n'))
			return false;
		cr = c == '\r';
	}
	r->last_cr = cr;
	if (piece.len)
		r->line_open = piece.data[piece.len - 1] != '\n';
	return true;
}

static enum drop_event
read_content(struct drop_reader *r, struct str piece)
{
	if (piece.len == 0)
		return bad(r, "a piece of content is empty");
	if (!wire_form(r, piece))
		return bad(r, "a line of the content does not end in CRLF");
	r->size += piece.len;
	if (r->size_limit && r->size > r->size_limit) {
		r->too_large = true;
		return bad(r, "message file too big");
	}
	return DROP_CONTENT;
}

static enum drop_event
read_end(struct drop_reader *r, struct str value)
{
	uint64_t size;

	if (!str_to_u64(value, UINT64_MAX, &size) || size != r->size)
		return bad(r, "the size does not agree with the content");
	if (r->line_open)
		return bad(r, "the last line of the content has no end");
	if (r->is_file && r->version >= VERSION_SUM) {
		r->stage = STAGE_SUM;
		return DROP_NEED;
	}
	r->stage = STAGE_END;
	return DROP_END;
}

static enum drop_event
read_sum(struct drop_reader *r, const struct record *rec)
{
	struct buf want = {0};
	bool same;

	drop_write_sum(&want, &r->sum);
	same = rec->letter == 'K' && rec->value.len == SUM_DIGITS &&
	    memcmp(rec->value.data, want.data + want.len - SUM_DIGITS - 1, SUM_DIGITS) == 0;
	buf_free(&want);
	if (!same)
		return bad(r, "the file does not agree with its sum: it was never completed");
	r->stage = STAGE_END;
	return DROP_END;
}

static enum drop_event
read_version(struct drop_reader *r, const struct record *rec)
{
	if (rec->letter != 'V' || rec->value.len != 1 || rec->value.data[0] < '1' ||
	    rec->value.data[0] > '0' + VERSION_LAST)
		return bad(r, "not a message of this version");
	r->version = (unsigned)(rec->value.data[0] - '0');
	r->stage = STAGE_ENVELOPE;
	return DROP_NEED;
}

/* One record of those about recipients: each has at most one O, then at most one P, then its R. */
static enum drop_event
read_rcpt(struct drop_reader *r, const struct record *rec)
{
	if (rec->letter == 'O') {
		if (r->has_orcpt || r->notify || !orcpt_valid(rec->value))
			return bad(r, "a bad original recipient");
		buf_reset(&r->orcpt);
		buf_str(&r->orcpt, rec->value);
		r->has_orcpt = true;
		return DROP_NEED;
	}
	if (rec->letter == 'P')
		return r->notify == 0 && read_notify(rec->value, &r->notify)
		    ? DROP_NEED
		    : bad(r, "a bad wish for notices");
	if (!rcpt_valid(rec->value))
		return bad(r, "a recipient is not an address");
	r->rcpt = (struct msg_rcpt){
	    .address = rec->value,
	    .orig = STR_EMPTY,
	    .orcpt = r->has_orcpt ? buf_view(&r->orcpt) : STR_EMPTY,
	    .notify = r->notify ? r->notify : r->envelope.notify,
	};
	r->has_orcpt = false;
	r->notify = 0;
	r->rcpts++;
	return DROP_RCPT;
}

static bool
is_about_rcpt(const struct drop_reader *r, char letter)
{
	return letter == 'R' || (r->version >= VERSION_RCPTS && (letter == 'O' || letter == 'P'));
}

/* One record, by the stage the reader is in. *CONSUMED: false leaves it in the input. */
static enum drop_event
read_record(struct drop_reader *r, const struct record *rec, bool *consumed)
{
	if (r->stage == STAGE_VERSION)
		return read_version(r, rec);
	if (r->stage == STAGE_SUM)
		return read_sum(r, rec);
	if (r->stage == STAGE_ENVELOPE && is_about_rcpt(r, rec->letter)) {
		if (!(r->seen & 1))
			return bad(r, "there is no sender");
		r->stage = STAGE_RCPTS;
		*consumed = false;
		return DROP_ENVELOPE;
	}
	if (r->stage == STAGE_ENVELOPE)
		return read_attribute(r, rec) ? DROP_NEED : bad(r, "a bad envelope record");
	if (r->stage == STAGE_RCPTS && is_about_rcpt(r, rec->letter))
		return read_rcpt(r, rec);
	if (r->rcpts == 0 || r->has_orcpt || r->notify)
		return bad(r, "a recipient is missing");
	r->stage = STAGE_CONTENT;
	if (rec->letter == 'D')
		return read_content(r, rec->value);
	if (rec->letter == 'Z')
		return read_end(r, rec->value);
	return bad(r, "a record stands where it should not");
}

/* Behind the last record nothing may follow. */
static enum drop_event
at_end(struct drop_reader *r, struct str input)
{
	return input.len ? bad(r, "there is something behind the end") : DROP_END;
}

enum drop_event
drop_next(struct drop_reader *r, struct str *input, struct str *text)
{
	for (;;) {
		struct record rec = {0};
		enum drop_event event;
		bool consumed = true;

		if (r->stage == STAGE_BAD)
			return DROP_BAD;
		if (r->stage == STAGE_END)
			return at_end(r, *input);
		event = find_record(r, *input, &rec);
		if (event == DROP_NEED || event == DROP_BAD)
			return event;
		if (r->stage < STAGE_CONTENT && rec.letter != 'D') {
			r->envelope_bytes += rec.length;
			if (r->envelope_bytes > DROP_ENVELOPE_MAX)
				return bad(r, "too many recipients");
		}
		event = read_record(r, &rec, &consumed);
		if (event == DROP_BAD)
			return event;
		if (consumed) {
			if (r->is_file)
				siphash_update(&r->sum, input->data, rec.length);
			*input = str_from(*input, rec.length);
		}
		*text = rec.value;
		if (event == DROP_END)
			return at_end(r, *input);
		if (event != DROP_NEED)
			return event;
	}
}
