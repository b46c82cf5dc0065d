/*
 * fuzz_notice - the text of a notice, from whatever qmgr may say of a message and its recipients
 *
 * The input is the body of the message `notice`; its first byte chooses the original. What comes out
 * must be a message that every server takes: lines that end in CRLF and are not too long, 8-bit bytes
 * only where they are announced, and no header field or MIME part that was not meant.
 */
#include <stdint.h>
#include <stdlib.h>

#include "bounce/compose.h"
#include "lib/mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_MAX_BYTES 998 /* RFC 5322 section 2.1.1 */

static const struct str originals[] = {
    {"", 0},
    {"Subject: hi\r\n\r\nhello\r\n", 22},
    {"Subject: h\xc3\xa4\r\n", 14},
    {"Subject: cut in a li", 20},
};

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

static bool
next_line(struct str *rest, struct str *line)
{
	size_t end = str_find(*rest, STR("\r\n"));

	if (rest->len == 0)
		return false;
	expect(end != STR_NPOS && end <= LINE_MAX_BYTES);
	*line = str_sub(*rest, 0, end);
	*rest = str_from(*rest, end + 2);
	expect(str_chr(*line, '\n') == STR_NPOS && str_chr(*line, '\r') == STR_NPOS);
	return true;
}

static bool
is_field(struct str line)
{
	static const char *const names[] = {"From: ", "To: ", "Subject: ", "Date: ", "Message-Id: ",
	    "Auto-Submitted: ", "MIME-Version: ", "Content-Type: ", "\tboundary=\"",
	    "Content-Transfer-Encoding: "};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_starts(line, str_c(names[i])))
			return true;
	return false;
}

/* The header; returns the boundary. */
static struct str
check_header(struct str *rest, bool has_8bit)
{
	struct str line, boundary = STR_EMPTY;
	bool announced = false;
	size_t fields = 0;

	while (next_line(rest, &line) && line.len > 0) {
		expect(is_field(line));
		fields++;
		if (str_starts(line, STR("\tboundary=\"")))
			boundary = str_sub(line, 11, line.len - 12);
		announced = announced || str_eq(line, STR("Content-Transfer-Encoding: 8bit"));
	}
	expect(fields == 10 && boundary.len > 0 && boundary.len <= 70);
	expect(announced || !has_8bit);
	return boundary;
}

static bool
is_boundary(struct str line, struct str boundary)
{
	return str_starts(line, STR("--")) && str_starts(str_from(line, 2), boundary);
}

/* The parts behind it: as many as were meant, and 8-bit bytes only in those that say so. */
static void
check_parts(struct str rest, struct str boundary, size_t parts)
{
	bool in_header = false, announced = false;
	struct str line;
	size_t n = 0;

	while (next_line(&rest, &line)) {
		if (is_boundary(line, boundary)) {
			n++;
			in_header = true;
			announced = false;
			continue;
		}
		if (in_header && str_eq(line, STR("Content-Transfer-Encoding: 8bit")))
			announced = true;
		in_header = in_header && line.len > 0;
		expect(announced || !utf8_8bit(line));
	}
	expect(n == parts + 1);
}

static void
check(const struct compose *c)
{
	struct buf out = {0};
	struct str rest, boundary;

	compose_notice(c, &out);
	rest = buf_view(&out);
	expect(utf8_valid(rest));
	boundary = check_header(&rest, utf8_8bit(rest));
	check_parts(rest, boundary, c->original.len > 0 ? 3 : 2);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(0);
	struct buf why = {0};
	struct msg_notice notice;

	if (size > 0 && ipc_unpack(&msg_notice, str_n(data + 1, size - 1), a, &notice, &why)) {
		struct compose c = {
		    .notice = &notice,
		    .original = originals[data[0] % 4],
		    .myhostname = STR("mx.example.net"),
		    .from = STR("MAILER-DAEMON@example.net"),
		    .to = data[0] & 8 ? STR("postmaster@example.net") : notice.sender,
		    .queue_id = STR("4jXKcV6sGYz9"),
		    .postmaster = data[0] & 8,
		    .now = 1764000100,
		};

		if (data[0] & 4)
			notice.full_size = c.original.len;
		check(&c);
	}
	buf_free(&why);
	arena_free(&a);
	return 0;
}
