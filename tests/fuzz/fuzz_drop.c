/* fuzz_drop - the reader of local submissions, as a stream and as a file: any bytes, in pieces of any size */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/queue/drop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the reader has taken, written again, must be what it was given: there is one spelling only. */
struct copy {
	struct buf text;
	uint64_t size;
};

/* The reader tells the NOTIFY that holds for a recipient, its own or that for all: here it is its own. */
static void
write_rcpt(struct buf *out, const struct drop_reader *r)
{
	const struct msg_rcpt rcpt = drop_rcpt(r);

	drop_write_rcpt(out, &rcpt);
}

static enum drop_event
feed(struct drop_reader *r, struct str *in, struct copy *c)
{
	enum drop_event event;
	struct str text;

	do {
		event = drop_next(r, in, &text);
		if (event == DROP_ENVELOPE)
			drop_write_begin(&c->text, drop_envelope(r));
		else if (event == DROP_RCPT)
			write_rcpt(&c->text, r);
		else if (event == DROP_CONTENT) {
			drop_write_content(&c->text, text);
			c->size += text.len;
		}
	} while (event == DROP_ENVELOPE || event == DROP_RCPT || event == DROP_CONTENT);
	return event;
}

static void
check(struct drop_reader *r, struct copy *c)
{
	struct drop_reader *again = drop_reader_new(0);
	struct copy second = {0};
	struct str in;

	if (c->size != drop_size(r) || drop_rcpts(r) == 0)
		abort();
	drop_write_end(&c->text, c->size);
	in = buf_view(&c->text);
	if (feed(again, &in, &second) != DROP_END)
		abort();
	drop_write_end(&second.text, second.size);
	if (!str_eq(buf_view(&c->text), buf_view(&second.text)))
		abort();
	drop_reader_free(&again);
	buf_free(&second.text);
}

/* ALL in pieces of STEP bytes. */
static enum drop_event
feed_pieces(struct drop_reader *r, struct str all, size_t step, struct copy *c)
{
	enum drop_event event = DROP_NEED;
	struct buf in = {0};

	for (; all.len > 0 && event != DROP_BAD; all = str_from(all, step)) {
		struct str view;

		buf_str(&in, str_sub(all, 0, step));
		view = buf_view(&in);
		event = feed(r, &view, c);
		buf_consume(&in, in.len - view.len);
	}
	buf_free(&in);
	return event;
}

static enum drop_event
feed_file(struct str all, size_t step)
{
	struct drop_reader *r = drop_reader_of_file(100000);
	struct copy c = {0};
	enum drop_event event = feed_pieces(r, all, step, &c);

	drop_reader_free(&r);
	buf_free(&c.text);
	return event;
}

/*
 * A stream that is whole, as a file: with the right sum whole again, if its version has one; with a byte
 * less, or another bit, not.
 */
static void
check_file(struct str all, size_t step, bool has_sum, unsigned bit)
{
	struct siphash sum;
	struct buf file = {0};

	buf_str(&file, all);
	if (has_sum) {
		if (feed_file(all, step) != DROP_NEED)
			abort();
		drop_sum_init(&sum);
		siphash_update(&sum, all.data, all.len);
		drop_write_sum(&file, &sum);
	}
	if (feed_file(buf_view(&file), step) != DROP_END)
		abort();
	if (feed_file(str_sub(buf_view(&file), 0, file.len - 1), step) == DROP_END)
		abort();
	bit %= (unsigned)file.len * 8;
	file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
	if (has_sum && feed_file(buf_view(&file), step) == DROP_END)
		abort();
	buf_free(&file);
}

/* The size of pieces, and which bit is wrong in the end: from all bytes, so that an input is a stream. */
static unsigned
number_of(struct str all)
{
	unsigned n = 2166136261u;

	for (size_t i = 0; i < all.len; i++)
		n = (n ^ (unsigned char)all.data[i]) * 16777619u;
	return n >> 8;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drop_reader *r = drop_reader_new(100000);
	struct str all = str_n(data, size);
	unsigned number = number_of(all);
	size_t step = number % 100 + 1;
	struct copy c = {0};

	(void)feed_file(all, step);
	if (feed_pieces(r, all, step, &c) == DROP_END) {
		check(r, &c);
		check_file(all, step, drop_has_sum(r), number / 100);
	}
	drop_reader_free(&r);
	buf_free(&c.text);
	return 0;
}
