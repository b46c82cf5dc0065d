/* fuzz_slot - a queue slot as if a stranger had written it: header, marks, reasons, envelope, content. */
#define _GNU_SOURCE 1

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/queue/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A header and marks that are right, in front of the input: so that what lies behind them is reached. */
static void
with_right_header(struct str rest, struct buf *out)
{
	struct slot_header h = {.rcpts = 1, .arrival_us = 1};
	struct slot_mark mark = {.state = SLOT_QUEUED};
	struct slot_rcpt_mark rcpt = {.state = SLOT_RCPT_TODO, .reason = 1};
	size_t half = rest.len / 2;
	struct siphash sum;
	char *at;

	queue_id_make(1, 0, h.id);
	h.envelope = half;
	h.content = rest.len - half;
	slot_sum_init(&sum);
	siphash_update(&sum, rest.data, rest.len);
	h.sum = siphash_final(&sum);
	at = buf_reserve(out, SLOT_MARKS_OFFSET + SLOT_MARK_SIZE);
	memset(at, ' ', SLOT_MARKS_OFFSET);
	slot_put_header(&h, at);
	slot_put_mark(h.id, &mark, at + SLOT_STATE_OFFSET);
	slot_put_rcpt_mark(h.id, 0, &rcpt, at + SLOT_MARKS_OFFSET);
	out->len += SLOT_MARKS_OFFSET + SLOT_MARK_SIZE;
	buf_str(out, rest);
}

static void
load(struct str file)
{
	struct arena *a = arena_new(0);
	struct buf content = {0}, why = {0};
	struct spool_message m;
	int fd = memfd_create("slot", MFD_CLOEXEC);

	if (fd != -1 && io_write_all(fd, file.data, file.len) == 0 &&
	    spool_load(fd, true, a, &m, &content, 65536, &why) == SPOOL_OK &&
	    (m.envelope.n_rcpts != m.header.rcpts || content.len != m.header.content))
		__builtin_trap();
	io_close(&fd);
	buf_free(&content);
	buf_free(&why);
	arena_free(&a);
}

/* What was read as an envelope is written and read again the same. */
static void
envelope(struct str text)
{
	struct arena *a = arena_new(0);
	struct buf again = {0}, why = {0};
	struct slot_envelope e, back;

	for (uint32_t rcpts = 0; rcpts < 3; rcpts++) {
		if (!slot_get_envelope(text, rcpts, a, &e, &why))
			continue;
		buf_reset(&again);
		slot_put_envelope(&e, &again);
		if (!slot_get_envelope(buf_view(&again), rcpts, a, &back, &why) ||
		    !str_eq(e.sender, back.sender) || e.n_rcpts != back.n_rcpts)
			__builtin_trap();
	}
	buf_free(&again);
	buf_free(&why);
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_n(data, size);
	struct arena *a = arena_new(0);
	struct slot_header h;
	struct slot_mark mark;
	struct slot_rcpt_mark rcpt;
	struct slot_reason reason;
	struct buf file = {0};

	slot_get_header(input, &h);
	slot_get_mark("0BBBBBBBBBBz1", input, &mark);
	slot_get_rcpt_mark("0BBBBBBBBBBz1", 0, input, &rcpt);
	slot_get_reason("0BBBBBBBBBBz1", 0, input, a, &reason);
	envelope(input);
	load(input);
	with_right_header(input, &file);
	load(buf_view(&file));
	buf_free(&file);
	arena_free(&a);
	return 0;
}
