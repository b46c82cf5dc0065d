/* fuzz_drop - the reader of local submissions: any bytes, in pieces of any size */
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drop_reader *r = drop_reader_new(100000);
	struct copy c = {0};
	struct buf in = {0};
	size_t step = size ? data[0] + 1u : 1;
	enum drop_event event = DROP_NEED;

	for (size_t at = 0; at < size && event == DROP_NEED; at += step) {
		struct str view;

		buf_append(&in, data + at, size - at < step ? size - at : step);
		view = buf_view(&in);
		event = feed(r, &view, &c);
		buf_consume(&in, in.len - view.len);
	}
	if (event == DROP_END)
		check(r, &c);
	drop_reader_free(&r);
	buf_free(&c.text);
	buf_free(&in);
	return 0;
}
