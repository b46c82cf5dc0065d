/*
 * spool_read - what stands in a slot, and its marks: see spool.h
 *
 * Reading trusts nothing: sizes are compared with the file's before memory is taken for them.
 */
#include "lib/queue/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/mem.h"

#define CHUNK 65536

enum spool_status
spool_peek(int fd, struct slot_header *h, struct slot_mark *m, bool *mark_valid)
{
	char head[SLOT_MARKS_OFFSET];
	ssize_t n = io_pread_full(fd, head, sizeof(head), 0);

	if (n == -1)
		return SPOOL_IO_ERROR;
	switch (slot_get_header(str_n(head, (size_t)n), h)) {
	case SLOT_BLANK:
		return SPOOL_FREE;
	case SLOT_BAD:
		return SPOOL_DAMAGED;
	case SLOT_OK:
		break;
	}
	*mark_valid = slot_get_mark(h->id, str_from(str_n(head, (size_t)n), SLOT_STATE_OFFSET), m);
	return *mark_valid && m->state == SLOT_FREE ? SPOOL_FREE : SPOOL_OK;
}

/* Do the sizes the header claims fit into the file? */
static enum spool_status
sizes_fit(int fd, const struct slot_header *h, struct buf *why)
{
	struct stat st;

	if (fstat(fd, &st) == -1) {
		buf_printf(why, "stat: %s", strerror(errno));
		return SPOOL_IO_ERROR;
	}
	uint64_t envelope_end = slot_content_offset(h);
	if (envelope_end > (uint64_t)st.st_size ||
	    h->content > (uint64_t)st.st_size - envelope_end) {
		buf_puts(why, "the file is shorter than its header says");
		return SPOOL_DAMAGED;
	}
	return SPOOL_OK;
}

/* Marks and envelope text, which stand one behind the other. */
static enum spool_status
load_envelope(
    int fd, struct arena *a, struct spool_message *m, struct siphash *sum, struct buf *why)
{
	struct slot_header *h = &m->header;
	size_t marks = (size_t)h->rcpts * SLOT_MARK_SIZE;
	size_t size = marks + (size_t)h->envelope;
	char *data = arena_alloc(a, size + 1);

	if (io_pread_full(fd, data, size, SLOT_MARKS_OFFSET) != (ssize_t)size) {
		buf_printf(why, "read envelope: %s", strerror(errno));
		return SPOOL_IO_ERROR;
	}
	m->marks = arena_array(a, h->rcpts + 1, sizeof(*m->marks));
	for (uint32_t i = 0; i < h->rcpts; i++)
		slot_get_rcpt_mark(h->id, i,
		    str_n(data + (size_t)i * SLOT_MARK_SIZE, SLOT_MARK_SIZE), &m->marks[i]);
	siphash_update(sum, data + marks, (size_t)h->envelope);
	if (!slot_get_envelope(
		str_n(data + marks, (size_t)h->envelope), h->rcpts, a, &m->envelope, why))
		return SPOOL_DAMAGED;
	return SPOOL_OK;
}

/* The marks alone, piece by piece. */
static enum spool_status
load_marks(int fd, struct arena *a, struct spool_message *m, struct buf *why)
{
	struct slot_header *h = &m->header;
	char data[128 * SLOT_MARK_SIZE];

	m->marks = arena_array(a, h->rcpts + 1, sizeof(*m->marks));
	for (uint32_t i = 0; i < h->rcpts; i += 128) {
		uint32_t some = h->rcpts - i < 128 ? h->rcpts - i : 128;
		size_t size = (size_t)some * SLOT_MARK_SIZE;
		off_t at = (off_t)(SLOT_MARKS_OFFSET + (uint64_t)i * SLOT_MARK_SIZE);

		if (io_pread_full(fd, data, size, at) != (ssize_t)size) {
			buf_printf(why, "read recipient marks: %s", strerror(errno));
			return SPOOL_IO_ERROR;
		}
		for (uint32_t k = 0; k < some; k++)
			slot_get_rcpt_mark(h->id, i + k,
			    str_n(data + (size_t)k * SLOT_MARK_SIZE, SLOT_MARK_SIZE),
			    &m->marks[i + k]);
	}
	return SPOOL_OK;
}

/* A piece of the envelope's text from OFFSET on, in A: SPOOL_WHOLE_MAX bytes, or what is left of it. */
static enum spool_status
read_envelope(int fd, const struct slot_header *h, uint64_t offset, struct arena *a,
    struct str *text, struct buf *why)
{
	uint64_t left = h->envelope - offset;
	size_t size = left < SPOOL_WHOLE_MAX ? (size_t)left : SPOOL_WHOLE_MAX;
	char *data = arena_alloc(a, size + 1);

	if (io_pread_full(fd, data, size, (off_t)(slot_envelope_offset(h->rcpts) + offset)) !=
	    (ssize_t)size) {
		buf_printf(why, "read envelope: %s", strerror(errno));
		return SPOOL_IO_ERROR;
	}
	*text = str_n(data, size);
	return SPOOL_OK;
}

/* What stands before the recipients; CURSOR is then at the first. */
static enum spool_status
load_head(
    int fd, struct arena *a, struct spool_message *m, struct spool_cursor *cursor, struct buf *why)
{
	enum spool_status status = load_marks(fd, a, m, why);
	size_t used = 0;
	struct str text;

	if (status == SPOOL_OK)
		status = read_envelope(fd, &m->header, 0, a, &text, why);
	if (status != SPOOL_OK)
		return status;
	if (!slot_get_envelope_head(text, a, &m->envelope, &used, why))
		return SPOOL_DAMAGED;
	*cursor = (struct spool_cursor){.offset = used};
	return SPOOL_OK;
}

enum spool_status
spool_next_rcpts(int fd, const struct slot_header *h, struct spool_cursor *cursor, size_t max,
    struct arena *a, struct slot_rcpt **rcpts, size_t *n, struct buf *why)
{
	enum spool_status status;
	size_t used = 0;
	struct str text;

	*n = 0;
	*rcpts = NULL;
	if (cursor->offset >= h->envelope || max == 0)
		return SPOOL_OK;
	max = max < SPOOL_PIECE_RCPTS ? max : SPOOL_PIECE_RCPTS;
	*rcpts = arena_array(a, max, sizeof(**rcpts));
	status = read_envelope(fd, h, cursor->offset, a, &text, why);
	if (status != SPOOL_OK)
		return status;
	/* A line is shorter than a piece: so there is one, if the text is right. */
	if (!slot_get_rcpts(text, a, *rcpts, max, n, &used) || *n == 0 ||
	    *n > h->rcpts - cursor->index) {
		buf_printf(why, "recipient %u of the envelope is not understood", cursor->index);
		return SPOOL_DAMAGED;
	}
	cursor->offset += used;
	cursor->index += (uint32_t)*n;
	return SPOOL_OK;
}

/* Adds the whole of a large envelope to the sum, and looks whether its recipients can be understood. */
static enum spool_status
check_envelope(int fd, const struct slot_header *h, const struct spool_cursor *first,
    struct siphash *sum, struct buf *why)
{
	struct arena *a = arena_new(0);
	enum spool_status status = SPOOL_OK;
	struct spool_cursor at = *first;
	struct slot_rcpt *rcpts;
	struct str text;
	size_t n = 1;

	for (uint64_t offset = 0; offset < h->envelope && status == SPOOL_OK; offset += text.len) {
		arena_reset(a);
		status = read_envelope(fd, h, offset, a, &text, why);
		if (status == SPOOL_OK)
			siphash_update(sum, text.data, text.len);
	}
	while (status == SPOOL_OK && n > 0) {
		arena_reset(a);
		status = spool_next_rcpts(fd, h, &at, SPOOL_PIECE_RCPTS, a, &rcpts, &n, why);
	}
	if (status == SPOOL_OK && at.index != h->rcpts) {
		buf_puts(why, "envelope has not the recipients its header counts");
		status = SPOOL_DAMAGED;
	}
	arena_free(&a);
	return status;
}

/* The reasons that recipients point to; those that cannot be read stay empty. */
static void
load_reasons(int fd, struct arena *a, struct spool_message *m)
{
	char data[SLOT_REASON_SIZE];
	bool used[SLOT_REASONS + 1] = {false};

	for (uint32_t i = 0; i < m->header.rcpts; i++)
		used[m->marks[i].reason] = true;
	for (unsigned i = 0; i < SLOT_REASONS; i++) {
		off_t at =
		    (off_t)(slot_reasons_offset(&m->header) + (uint64_t)i * SLOT_REASON_SIZE);

		if (used[i + 1] && io_pread_full(fd, data, sizeof(data), at) == sizeof(data))
			slot_get_reason(
			    m->header.id, i, str_n(data, sizeof(data)), a, &m->reasons[i]);
	}
}

static enum spool_status
verify_content(
    int fd, struct spool_message *m, struct siphash *sum, struct buf *content, struct buf *why)
{
	const struct slot_header *h = &m->header;
	char *chunk = mem_alloc(CHUNK);
	enum spool_status status = SPOOL_OK;
	uint64_t done = 0;

	while (done < h->content && status == SPOOL_OK) {
		ssize_t n = spool_read_content(fd, h, done, chunk, CHUNK);

		if (n <= 0) {
			buf_printf(
			    why, "read content: %s", n == 0 ? "file ends early" : strerror(errno));
			status = SPOOL_IO_ERROR;
			break;
		}
		siphash_update(sum, chunk, (size_t)n);
		eight_bits_add(&m->bits, str_n(chunk, (size_t)n));
		if (content)
			buf_append(content, chunk, (size_t)n);
		done += (uint64_t)n;
	}
	free(chunk);
	if (status == SPOOL_OK && siphash_final(sum) != h->sum) {
		buf_puts(why, "checksum of envelope and content does not match");
		status = SPOOL_DAMAGED;
	}
	return status;
}

/* CURSOR is NULL for who wants it whole. */
static enum spool_status
load(int fd, bool verify, struct arena *a, struct spool_message *m, struct spool_cursor *cursor,
    struct buf *content, size_t keep, struct buf *why)
{
	enum spool_status status;
	struct siphash sum;
	bool whole;

	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < SLOT_REASONS; i++)
		m->reasons[i] = (struct slot_reason){STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY};
	status = spool_peek(fd, &m->header, &m->mark, &m->mark_valid);
	if (status != SPOOL_OK) {
		buf_puts(why,
		    status == SPOOL_DAMAGED ? "not a slot, or its header is damaged"
					    : strerror(errno));
		return status;
	}
	status = sizes_fit(fd, &m->header, why);
	if (status != SPOOL_OK)
		return status;
	slot_sum_init(&sum);
	whole = !cursor || m->header.envelope <= SPOOL_WHOLE_MAX;
	status = whole ? load_envelope(fd, a, m, &sum, why) : load_head(fd, a, m, cursor, why);
	if (status == SPOOL_OK && verify && !whole)
		status = check_envelope(fd, &m->header, cursor, &sum, why);
	if (status != SPOOL_OK)
		return status;
	load_reasons(fd, a, m);
	if (!verify)
		return SPOOL_OK;
	return verify_content(fd, m, &sum, m->header.content <= keep ? content : NULL, why);
}

enum spool_status
spool_load(int fd, bool verify, struct arena *a, struct spool_message *m, struct buf *content,
    size_t keep, struct buf *why)
{
	return load(fd, verify, a, m, NULL, content, keep, why);
}

enum spool_status
spool_load_begin(int fd, bool verify, struct arena *a, struct spool_message *m,
    struct spool_cursor *cursor, struct buf *content, size_t keep, struct buf *why)
{
	*cursor = (struct spool_cursor){0};
	return load(fd, verify, a, m, cursor, content, keep, why);
}

ssize_t
spool_read_content(int fd, const struct slot_header *h, uint64_t offset, void *data, size_t n)
{
	if (offset >= h->content)
		return 0;
	if (n > h->content - offset)
		n = (size_t)(h->content - offset);
	return io_pread_full(fd, data, n, (off_t)(slot_content_offset(h) + offset));
}

bool
spool_write_mark(int fd, const char *id, const struct slot_mark *m)
{
	char data[SLOT_STATE_SIZE];

	slot_put_mark(id, m, data);
	return io_pwrite_all(fd, data, sizeof(data), SLOT_STATE_OFFSET) == 0;
}

bool
spool_write_rcpt_mark(int fd, const char *id, uint32_t index, const struct slot_rcpt_mark *m)
{
	char data[SLOT_MARK_SIZE];

	slot_put_rcpt_mark(id, index, m, data);
	return io_pwrite_all(fd, data, sizeof(data),
		   (off_t)(SLOT_MARKS_OFFSET + (uint64_t)index * SLOT_MARK_SIZE)) == 0;
}

bool
spool_write_reason(int fd, const struct slot_header *h, unsigned index, const struct slot_reason *r)
{
	char data[SLOT_REASON_SIZE];
	off_t at = (off_t)(slot_reasons_offset(h) + (uint64_t)index * SLOT_REASON_SIZE);

	slot_put_reason(h->id, index, r, data);
	return io_pwrite_all(fd, data, sizeof(data), at) == 0;
}
