/* test_drop - the stream of local submissions: what is written is read, and nothing else */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/queue/drop.h"

#define HEAD "V1:1\nS5:alice\n"
#define HEAD3 "V1:3\nS5:alice\n"
#define RCPT "R3:bob\n"

/* "bob ", or "bob(rfc822;b@a.example,5) " for one with an ORCPT and a NOTIFY. */
static void
note_rcpt(struct msg_rcpt rcpt, struct str text, struct buf *out)
{
	assert_true(str_eq(rcpt.address, text));
	assert_int_equal(rcpt.orig.len, 0);
	buf_str(out, text);
	if (rcpt.orcpt.len || rcpt.notify)
		buf_printf(out, "(%.*s,%u)", STR_ARG(rcpt.orcpt), (unsigned)rcpt.notify);
	buf_putc(out, ' ');
}

/* Feeds STEP bytes at a time; returns the last event, and how many pieces of each kind came. */
static enum drop_event
read_all(
    struct drop_reader *r, struct str stream, size_t step, struct buf *rcpts, struct buf *content)
{
	struct buf in = {0};
	enum drop_event event = DROP_NEED;

	for (size_t at = 0; at < stream.len && event != DROP_BAD; at += step) {
		struct str view, text;

		buf_str(&in, str_sub(stream, at, step));
		view = buf_view(&in);
		do {
			event = drop_next(r, &view, &text);
			if (event == DROP_RCPT)
				note_rcpt(drop_rcpt(r), text, rcpts);
			if (event == DROP_CONTENT)
				buf_str(content, text);
		} while (event != DROP_NEED && event != DROP_BAD && event != DROP_END);
		buf_consume(&in, in.len - view.len);
	}
	buf_free(&in);
	return event;
}

static const struct msg_drop_begin full_envelope = {
    .sender = STR("alice@example.org"),
    .full_name = STR("Alice A."),
    .envid = STR("env 1"),
    .ret = DSN_RET_HDRS,
    .notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY,
    .smtputf8 = true,
    .body_8bit = true,
    .verify_only = true,
    .verbose = true,
    .remove_bcc = true,
    .gateway = true,
    .verp = STR("+="),
};

static void
test_round_trip(void **state)
{
	const struct msg_drop_begin e = full_envelope;
	static const size_t steps[] = {1, 2, 7, 1000000};
	struct buf stream = {0};
	struct buf big = {0};

	(void)state;
	for (int i = 0; i < 20000; i++)
		buf_puts(&big, "12345678\r\n");
	drop_write_begin(&stream, &e);
	drop_write_rcpt(&stream, &(struct msg_rcpt){.address = STR("bob")});
	drop_write_rcpt(&stream,
	    &(struct msg_rcpt){.address = STR("\"c d\"@example.net"),
		.orcpt = STR("rfc822;c d@relay.example"),
		.notify = DSN_NOTIFY_NEVER});
	drop_write_rcpt(&stream,
	    &(struct msg_rcpt){.address = STR("eve"), .orcpt = STR("no type, so it is left out")});
	drop_write_content(&stream, buf_view(&big));
	drop_write_end(&stream, big.len);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct drop_reader *r = drop_reader_new(big.len);
		struct buf rcpts = {0};
		struct buf content = {0};
		const struct msg_drop_begin *got;

		assert_int_equal(
		    read_all(r, buf_view(&stream), steps[i], &rcpts, &content), DROP_END);
		got = drop_envelope(r);
		assert_true(str_eq(got->sender, e.sender));
		assert_true(str_eq(got->full_name, e.full_name));
		assert_true(str_eq(got->envid, e.envid));
		assert_int_equal(got->ret, e.ret);
		assert_int_equal(got->notify, e.notify);
		assert_true(str_eq(got->verp, e.verp));
		assert_true(got->smtputf8 && got->body_8bit && got->verify_only && got->verbose &&
		    got->remove_bcc && got->gateway);
		assert_string_equal(buf_cstr(&rcpts),
		    "bob(,10) \"c d\"@example.net(rfc822;c d@relay.example,1) eve(,10) ");
		assert_true(str_eq(buf_view(&content), buf_view(&big)));
		assert_int_equal(drop_size(r), big.len);
		assert_int_equal(drop_rcpts(r), 3);
		buf_free(&rcpts);
		buf_free(&content);
		drop_reader_free(&r);
	}
	buf_free(&stream);
	buf_free(&big);
}

/* Streams that are taken: the least of them, and each kind of record. */
static const char *const good[] = {
    HEAD RCPT "Z1:0\n",
    "V1:4\nS0:\nX2:+=\n" RCPT "Z1:0\n",
    "V1:1\nS0:\n" RCPT "Z1:0\n",
    HEAD "T4:full\n" RCPT RCPT "D2:\r\n\nZ1:2\n",
    HEAD "Q5:never\n" RCPT "D1:a\nD2:\r\n\nZ1:3\n",
    HEAD "Q21:success,failure,delay\nF1:8\n" RCPT "Z1:0\n",
    HEAD RCPT "D3:a\r\n\nD3:b\r\n\nZ1:6\n",
    HEAD RCPT "D2:a\r\nD1:\n\nZ1:3\n",
    "V1:2\nS5:alice\n" RCPT "Z1:0\n",
    HEAD3 RCPT "Z1:0\n",
    HEAD3 "O3:a;b\n" RCPT "P5:never\n" RCPT RCPT "Z1:0\n",
    HEAD3 "Q5:delay\nO12:rfc822;\xc3\xa4 + \nP13:success,delay\n" RCPT "D2:\r\n\nZ1:2\n",
};

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct drop_reader *r = drop_reader_new(0);
		struct buf sink = {0};

		if (read_all(r, str_c(good[i]), 3, &sink, &sink) != DROP_END)
			fail_msg("\"%s\": %s", good[i], drop_why(r));
		buf_free(&sink);
		drop_reader_free(&r);
	}
}

/* Streams that are refused as soon as the fault is seen. */
static const char *const bad[] = {
    "xx", "V1:2\n" HEAD RCPT "Z1:0\n", "V1:5\nS5:alice\n" RCPT "Z1:0\n",
    "V1:0\nS5:alice\n" RCPT "Z1:0\n", "V2:31\nS5:alice\n" RCPT "Z1:0\n",
    /* What older versions have not. */
    "V1:3\nS0:\nX2:+=\n" RCPT "Z1:0\n", "V1:4\nS0:\nX1:+\n" RCPT "Z1:0\n",
    "V1:4\nS0:\nX3:+=+\n" RCPT "Z1:0\n", "V1:4\nS0:\nX2:+=\nX2:+=\n" RCPT "Z1:0\n",
    HEAD "O3:a;b\n" RCPT "Z1:0\n", HEAD "P5:never\n" RCPT "Z1:0\n",
    "V1:2\nS5:alice\nO3:a;b\n" RCPT "Z1:0\n",
    /* Without a recipient behind it, twice, or the wrong way round. */
    HEAD3 "O3:a;b\nZ1:0\n", HEAD3 RCPT "O3:a;b\nZ1:0\n", HEAD3 RCPT "P5:never\nZ1:0\n",
    HEAD3 RCPT "P5:never\nD2:\r\n\nZ1:2\n", HEAD3 "O3:a;b\nO3:a;b\n" RCPT "Z1:0\n",
    HEAD3 "P5:never\nP5:never\n" RCPT "Z1:0\n", HEAD3 "P5:never\nO3:a;b\n" RCPT "Z1:0\n",
    HEAD3 "O3:a;b\nN1:a\n" RCPT "Z1:0\n", HEAD3 "O2:a;\n" RCPT "Z1:0\n",
    HEAD3 "O2:;b\n" RCPT "Z1:0\n", HEAD3 "O1:a\n" RCPT "Z1:0\n", HEAD3 "O4:a;\tb\n" RCPT "Z1:0\n",
    HEAD3 "P0:\n" RCPT "Z1:0\n", HEAD3 "P13:never,failure\n" RCPT "Z1:0\n",
    "S5:alice\n" RCPT "Z1:0\n",                          /* no version */
    "V1:1\n" RCPT "Z1:0\n",                              /* no sender */
    HEAD "S3:bob\n" RCPT "Z1:0\n",                       /* two senders */
    HEAD "Z1:0\n",                                       /* no recipient */
    HEAD "D2:\r\n\nZ1:2\n", HEAD "X1:a\n" RCPT "Z1:0\n", /* unknown record */
    HEAD RCPT "N5:Alice\nZ1:0\n",                        /* attribute behind the recipients */
    HEAD RCPT "D2:\r\n\n" RCPT "Z1:2\n",                 /* recipient behind the content */
    HEAD "R0:\nZ1:0\n",                                  /* empty recipient */
    HEAD "R3:b\nb\nZ1:0\n",                              /* control byte */
    HEAD "N3:a\tb\n" RCPT "Z1:0\n", HEAD "F2:88\n" RCPT "Z1:0\n", HEAD "F1:z\n" RCPT "Z1:0\n",
    HEAD "F0:\n" RCPT "Z1:0\n", HEAD "Q13:never,failure\n" RCPT "Z1:0\n",
    HEAD "Q5:maybe\n" RCPT "Z1:0\n", HEAD "Q0:\n" RCPT "Z1:0\n",
    HEAD "Q15:failure,failure\n" RCPT "Z1:0\n", HEAD "T4:none\n" RCPT "Z1:0\n",
    HEAD RCPT "D0:\nZ1:0\n",                                /* empty piece */
    HEAD RCPT "D2:a\n\nZ1:2\n",                             /* bare LF */
    HEAD RCPT "D3:\ra\n\nZ1:3\n",                           /* bare CR */
    HEAD RCPT "D1:\r\nZ1:1\n",                              /* CR at the end */
    HEAD RCPT "D1:a\nZ1:1\n",                               /* no end of line */
    HEAD RCPT "D2:\r\n\nZ1:3\n",                            /* wrong size */
    HEAD RCPT "D2:\r\n\nZ2:-2\n", HEAD RCPT "Z1:0\nZ1:0\n", /* something behind the end */
    /* A sum, which is not for streams. */
    HEAD RCPT "Z1:0\nK16:0123456789abcdef\n", "V1:2\nS1:a\n" RCPT "Z1:0\nK16:0123456789abcdef\n",
    HEAD RCPT "D02:\r\n\nZ1:2\n",                    /* leading zero */
    HEAD RCPT "D:\r\n\nZ1:2\n", HEAD RCPT "D65537:", /* piece too long */
    HEAD RCPT "D999999999:", HEAD RCPT "D1234567890",
    HEAD RCPT "D2:\r\nXZ1:2\n", /* record without its line feed */
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct drop_reader *r = drop_reader_new(0);
		struct buf sink = {0};

		for (size_t step = 1; step < 100; step += 98) {
			enum drop_event event = read_all(r, str_c(bad[i]), step, &sink, &sink);

			if (event != DROP_BAD)
				fail_msg("\"%s\" was taken (%d)", bad[i], event);
			assert_true(drop_why(r)[0] != '\0');
			drop_reader_free(&r);
			r = drop_reader_new(0);
		}
		buf_free(&sink);
		drop_reader_free(&r);
	}
}

/* A stream that ends early is never complete, wherever it ends. */
static void
test_truncated(void **state)
{
	struct str whole = STR(HEAD "F1:b\n" RCPT "D4:ab\r\n\nZ1:4\n");

	(void)state;
	for (size_t len = 0; len < whole.len; len++) {
		struct drop_reader *r = drop_reader_new(0);
		struct buf sink = {0};

		assert_int_not_equal(
		    read_all(r, str_sub(whole, 0, len), 5, &sink, &sink), DROP_END);
		buf_free(&sink);
		drop_reader_free(&r);
	}
}

/* A file of today, read in one piece; with the byte at SPOILT changed, and cut to LEN. */
static enum drop_event
read_file(struct str whole, size_t len, size_t spoilt)
{
	struct drop_reader *r = drop_reader_of_file(0);
	struct buf copy = {0};
	struct buf sink = {0};
	enum drop_event event;

	buf_str(&copy, str_sub(whole, 0, len));
	if (spoilt < copy.len)
		copy.data[spoilt] ^= 1;
	event = read_all(r, buf_view(&copy), 100, &sink, &sink);
	buf_free(&copy);
	buf_free(&sink);
	drop_reader_free(&r);
	return event;
}

/* In a file any byte that is not what was written is noticed; without its sum it is not complete. */
static void
test_file_sum(void **state)
{
	const struct msg_drop_begin e = {.sender = STR("alice@example.org")};
	struct buf file = {0};
	struct siphash sum;
	size_t stream;

	(void)state;
	drop_write_begin(&file, &e);
	drop_write_rcpt(&file, &(struct msg_rcpt){.address = STR("bob")});
	drop_write_content(&file, STR("a line\r\nand another\r\n"));
	drop_write_end(&file, 21);
	stream = file.len;
	drop_sum_init(&sum);
	siphash_update(&sum, file.data, file.len);
	drop_write_sum(&file, &sum);
	assert_int_equal(read_file(buf_view(&file), file.len, SIZE_MAX), DROP_END);
	for (size_t i = 0; i < file.len; i++)
		if (read_file(buf_view(&file), file.len, i) == DROP_END)
			fail_msg("byte %zu may be anything", i);
	for (size_t len = 0; len < file.len; len++)
		assert_int_not_equal(read_file(buf_view(&file), len, SIZE_MAX), DROP_END);
	/* As a stream it has none, and what the first day's postdrop has stored has none either. */
	assert_int_equal(read_file(STR(HEAD RCPT "Z1:0\n"), SIZE_MAX, SIZE_MAX), DROP_END);
	assert_int_not_equal(read_file(buf_view(&file), stream, SIZE_MAX), DROP_END);
	buf_free(&file);
}

static void
test_size_limit(void **state)
{
	struct str stream = STR(HEAD RCPT "D4:ab\r\n\nD6:abcd\r\n\nZ2:10\n");
	struct drop_reader *just = drop_reader_new(10);
	struct drop_reader *less = drop_reader_new(9);
	struct buf sink = {0};

	(void)state;
	assert_int_equal(read_all(just, stream, 100, &sink, &sink), DROP_END);
	assert_false(drop_too_large(just));
	assert_int_equal(read_all(less, stream, 100, &sink, &sink), DROP_BAD);
	assert_true(drop_too_large(less));
	drop_reader_free(&just);
	drop_reader_free(&less);
	buf_free(&sink);
}

static void
test_field_limits(void **state)
{
	static const struct {
		char letter;
		size_t max;
	} fields[] = {{'S', MSG_ADDRESS_MAX}, {'N', DROP_NAME_MAX}, {'E', DROP_ENVID_MAX},
	    {'R', MSG_ADDRESS_MAX}, {'O', DROP_ORCPT_MAX}};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (size_t over = 0; over < 2; over++) {
			struct drop_reader *r = drop_reader_new(0);
			struct buf stream = {0};
			struct buf sink = {0};

			buf_puts(&stream,
			    fields[i].letter == 'S'       ? "V1:1\n"
				: fields[i].letter == 'O' ? HEAD3
							  : HEAD);
			buf_printf(&stream, "%c%zu:", fields[i].letter, fields[i].max + over);
			for (size_t n = 0; n < fields[i].max + over; n++)
				buf_putc(&stream, n == 1 && fields[i].letter == 'O' ? ';' : 'a');
			buf_puts(&stream, "\n" RCPT "Z1:0\n");
			assert_int_equal(read_all(r, buf_view(&stream), 4096, &sink, &sink),
			    over ? DROP_BAD : DROP_END);
			buf_free(&stream);
			buf_free(&sink);
			drop_reader_free(&r);
		}
	}
}

/* What does not fit is cut between characters, or left out; it never makes the stream unreadable. */
static void
test_writer_fits(void **state)
{
	struct msg_drop_begin e = {.sender = STR("a")};
	struct drop_reader *r = drop_reader_new(0);
	struct buf stream = {0};
	struct buf sink = {0};
	char name[DROP_NAME_MAX + 10];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa4", 2);
	e.full_name = str_n(name + 1, DROP_NAME_MAX + 5); /* begins within a character */
	e.envid = STR("bad\nvalue");
	drop_write_begin(&stream, &e);
	drop_write_rcpt(&stream, &(struct msg_rcpt){.address = STR("b")});
	drop_write_end(&stream, 0);
	assert_int_equal(read_all(r, buf_view(&stream), 10, &sink, &sink), DROP_END);
	assert_int_equal(drop_envelope(r)->full_name.len, DROP_NAME_MAX - 1);
	assert_int_equal(drop_envelope(r)->envid.len, 0);
	buf_free(&stream);
	buf_free(&sink);
	drop_reader_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_file_sum),
	    cmocka_unit_test(test_size_limit),
	    cmocka_unit_test(test_field_limits),
	    cmocka_unit_test(test_writer_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
