/* test_queue_slot - queue IDs, the slot format, and slots on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/io.h"
#include "lib/base/random.h"
#include "lib/queue/spool.h"

static void
test_id_round_trip(void **state)
{
	static const struct {
		int64_t time_us;
		uint32_t slot;
	} cases[] = {
	    {0, 0}, {1, 50}, {999999, 51}, {1764000000123456, 7}, {1764000000123456, 16777215}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char id[QUEUE_ID_SIZE];
		int64_t time_us = -1;
		uint32_t slot = 99;

		queue_id_make(cases[i].time_us, cases[i].slot, id);
		assert_true(strlen(id) >= 12);
		assert_true(queue_id_parse(str_c(id), &time_us, &slot));
		assert_int_equal(time_us, cases[i].time_us);
		assert_int_equal(slot, cases[i].slot);
	}
}

static void
test_id_order(void **state)
{
	char before[QUEUE_ID_SIZE], after[QUEUE_ID_SIZE];
	int64_t t = 1764000000999990;

	(void)state;
	for (int i = 0; i < 100; i++) {
		queue_id_make(t + i, 3, before);
		queue_id_make(t + i + 1, 3, after);
		assert_true(strcmp(before, after) < 0);
	}
}

static void
test_id_refused(void **state)
{
	static const char *const bad[] = {"", "z", "BBBBBBBBBB", "BBBBBBBBBBz", "0BBBBBBBBBBz1",
	    "BBBBBBBBBBzz", "BBBBBBBBBBz01", "BBBBBB!BBBz1", "../../../etcz1",
	    "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBz1", "ABCDEFGHIJz1"};
	int64_t t;
	uint32_t slot;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(queue_id_parse(str_c(bad[i]), &t, &slot));
	assert_false(queue_id_parse(str_n("BBBBBBBB\0Bz1", 12), &t, &slot));
}

static struct slot_header
sample_header(void)
{
	struct slot_header h = {
	    .rcpts = 2, .envelope = 100, .content = 4096, .arrival_us = 1764000000123456};

	queue_id_make(h.arrival_us, 7, h.id);
	h.sum = 0x0123456789abcdef;
	return h;
}

static void
test_header(void **state)
{
	struct slot_header h = sample_header(), back;
	char data[SLOT_HEADER_SIZE], zeros[SLOT_HEADER_SIZE] = {0};

	(void)state;
	slot_put_header(&h, data);
	assert_int_equal(slot_get_header(str_n(data, sizeof(data)), &back), SLOT_OK);
	assert_memory_equal(&h, &back, sizeof(h));
	assert_int_equal(slot_get_header(str_n(zeros, sizeof(zeros)), &back), SLOT_BLANK);
	assert_int_equal(slot_get_header(STR_EMPTY, &back), SLOT_BLANK);
	assert_int_equal(slot_get_header(str_n(data, SLOT_HEADER_SIZE - 1), &back), SLOT_BAD);
}

/* Every single changed byte in the part that is checked is found. */
static void
test_header_damage(void **state)
{
	struct slot_header h = sample_header(), back;
	char data[SLOT_HEADER_SIZE];

	(void)state;
	for (size_t i = 0; i < 192; i++) {
		slot_put_header(&h, data);
		data[i] ^= 1;
		assert_int_equal(slot_get_header(str_n(data, sizeof(data)), &back), SLOT_BAD);
	}
}

static void
test_state_mark(void **state)
{
	static const struct slot_mark cases[] = {
	    {SLOT_INCOMING, 0, 0, 0, false, false, 0},
	    {SLOT_DEFERRED, 1764000000, 12, 1, true, false, 0},
	    {SLOT_HOLD, 0, 99999, 2, false, true, 1},
	    {SLOT_FREE, 999999999999, 1, 9, true, true, UINT32_MAX},
	    {SLOT_QUEUED, 5, 0, 0, false, false, 1764000000},
	};
	struct slot_header h = sample_header();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char data[SLOT_STATE_SIZE];
		struct slot_mark back;

		slot_put_mark(h.id, &cases[i], data);
		assert_true(slot_get_mark(h.id, str_n(data, sizeof(data)), &back));
		assert_memory_equal(&cases[i], &back, sizeof(back));
		/* Marks of the first days had spaces there. */
		assert_int_equal(data[63], cases[i].renewed ? '@' : ' ');
		/* Another generation's mark means: due now, not done. */
		assert_false(slot_get_mark("0BBBBBBBBBBz1", str_n(data, sizeof(data)), &back));
		assert_int_equal(back.state, SLOT_INCOMING);
		for (size_t b = 0; b < 88; b++) {
			data[b] ^= 2;
			assert_false(slot_get_mark(h.id, str_n(data, sizeof(data)), &back));
			data[b] ^= 2;
		}
	}
}

static void
test_rcpt_mark(void **state)
{
	struct slot_header h = sample_header();
	struct slot_rcpt_mark mark = {SLOT_RCPT_SENT, 3}, back;
	char data[SLOT_MARK_SIZE];

	(void)state;
	slot_put_rcpt_mark(h.id, 5, &mark, data);
	assert_true(slot_get_rcpt_mark(h.id, 5, str_n(data, sizeof(data)), &back));
	assert_int_equal(back.state, SLOT_RCPT_SENT);
	assert_int_equal(back.reason, 3);
	/* Another recipient's place, another generation, a damaged byte: not done. */
	assert_false(slot_get_rcpt_mark(h.id, 6, str_n(data, sizeof(data)), &back));
	assert_int_equal(back.state, SLOT_RCPT_TODO);
	assert_false(slot_get_rcpt_mark("0BBBBBBBBBBz1", 5, str_n(data, sizeof(data)), &back));
	for (size_t b = 0; b < 28; b++) {
		data[b] ^= 1;
		assert_false(slot_get_rcpt_mark(h.id, 5, str_n(data, sizeof(data)), &back));
		data[b] ^= 1;
	}
}

static void
test_reason(void **state)
{
	struct slot_header h = sample_header();
	struct arena *a = arena_new(0);
	char data[SLOT_REASON_SIZE], longer[2000];
	struct slot_reason r = {STR("4.2.2"), STR("mailbox full"), STR("smtp; 452 x"),
			       STR("dns; mx")},
			   back;

	(void)state;
	slot_put_reason(h.id, 1, &r, data);
	assert_true(slot_get_reason(h.id, 1, str_n(data, sizeof(data)), a, &back));
	assert_true(str_eq(back.dsn, r.dsn) && str_eq(back.text, r.text) &&
	    str_eq(back.diagnostic, r.diagnostic) && str_eq(back.remote_mta, r.remote_mta));
	assert_false(slot_get_reason(h.id, 2, str_n(data, sizeof(data)), a, &back));
	/* What is too long is cut, and at a character. */
	for (size_t i = 0; i + 1 < sizeof(longer); i += 2)
		memcpy(longer + i, "\xc3\xa4", 2);
	r.text = r.diagnostic = r.remote_mta = str_n(longer, sizeof(longer));
	slot_put_reason(h.id, 0, &r, data);
	assert_true(slot_get_reason(h.id, 0, str_n(data, sizeof(data)), a, &back));
	assert_true(back.text.len > 200 && back.text.len % 2 == 0);
	assert_true(back.diagnostic.len > 50 && back.diagnostic.len % 2 == 0);
	arena_free(&a);
}

static void
test_envelope(void **state)
{
	struct slot_attr attrs[] = {
	    {STR("client_name"), STR("a\tb\nc\\d")}, {STR("helo_name"), STR_EMPTY}};
	struct slot_rcpt rcpts[] = {{STR("\"odd\\\\ one\"@example.org"), STR("x"), STR_EMPTY, 0},
	    {str_n("nul\0here@example.org", 20), STR("tab\there"), STR("rfc822;y"), 6}};
	struct slot_envelope e = {STR("alice@example.org"), 2, STR("QQ314"), true, false, true,
	    false, attrs, 2, rcpts, 2};
	struct slot_envelope back;
	struct arena *a = arena_new(0);
	struct buf text = {0}, why = {0};

	(void)state;
	slot_put_envelope(&e, &text);
	assert_true(slot_get_envelope(buf_view(&text), 2, a, &back, &why));
	assert_true(str_eq(back.sender, e.sender) && str_eq(back.envid, e.envid) && back.ret == 2);
	assert_true(back.smtputf8 && !back.body_8bit && back.verify_only && !back.verbose);
	assert_int_equal(back.n_attrs, 2);
	assert_true(str_eq(back.attrs[0].value, attrs[0].value));
	for (size_t i = 0; i < 2; i++) {
		assert_true(str_eq(back.rcpts[i].address, rcpts[i].address));
		assert_true(str_eq(back.rcpts[i].orig, rcpts[i].orig));
		assert_true(str_eq(back.rcpts[i].orcpt, rcpts[i].orcpt));
		assert_int_equal(back.rcpts[i].notify, rcpts[i].notify);
	}
	assert_false(slot_get_envelope(buf_view(&text), 1, a, &back, &why));
	assert_false(slot_get_envelope(STR("sender a\nunknown b\n"), 0, a, &back, &why));
	assert_false(slot_get_envelope(STR("sender a\\q\n"), 0, a, &back, &why));
	/* A line of a name alone has the place that others have; none reaches into what comes behind. */
	buf_reset(&text);
	for (int i = 0; i < 1000; i++)
		buf_puts(&text, "attr\n");
	buf_puts(&text, "rcpt 1\tx\ty\tz\n");
	assert_true(slot_get_envelope(buf_view(&text), 1, a, &back, &why));
	assert_int_equal(back.n_attrs, 1000);
	assert_true(back.attrs[999].name.len == 0 && str_eq(back.rcpts[0].address, STR("x")));
	for (int i = 0; i < 1000; i++)
		assert_true(back.attrs[i].name.len == 0 && back.attrs[i].value.len == 0);
	buf_free(&text);
	buf_free(&why);
	arena_free(&a);
}

/* --- On disk ---------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/postkeep-spool-XXXXXX";

static void
count_slot(uint32_t number, void *arg)
{
	(void)number;
	++*(size_t *)arg;
}

/* Writes a message with that envelope text into slot 0 of SP, as qmgr does; returns its descriptor. */
static int
write_slot(
    struct spool *sp, struct slot_header *h, uint32_t rcpts, struct str text, struct str content)
{
	struct slot_mark mark = {.state = SLOT_INCOMING};
	struct slot_rcpt_mark rmark = {.state = SLOT_RCPT_TODO};
	struct buf all = {0};
	struct siphash sum;
	int fd = spool_slot_open(sp, 0);

	*h = (struct slot_header){
	    .rcpts = rcpts, .envelope = text.len, .content = content.len, .arrival_us = 5};
	queue_id_make(5, 0, h->id);
	slot_sum_init(&sum);
	siphash_update(&sum, text.data, text.len);
	siphash_update(&sum, content.data, content.len);
	h->sum = siphash_final(&sum);
	memset(buf_reserve(&all, SLOT_MARKS_OFFSET), ' ', SLOT_MARKS_OFFSET);
	slot_put_header(h, all.data);
	slot_put_mark(h->id, &mark, all.data + SLOT_STATE_OFFSET);
	all.len = SLOT_MARKS_OFFSET;
	for (uint32_t i = 0; i < rcpts; i++) {
		slot_put_rcpt_mark(h->id, i, &rmark, buf_reserve(&all, SLOT_MARK_SIZE));
		all.len += SLOT_MARK_SIZE;
	}
	buf_str(&all, text);
	buf_str(&all, content);
	assert_int_equal(io_pwrite_all(fd, all.data, all.len, 0), 0);
	buf_free(&all);
	return fd;
}

static int
write_message(struct spool *sp, struct slot_header *h, struct str content)
{
	struct slot_rcpt rcpt = {STR("bob@example.org"), STR_EMPTY, STR_EMPTY, 0};
	struct slot_envelope e = {
	    .sender = STR("a@example.org"), .envid = STR_EMPTY, .rcpts = &rcpt, .n_rcpts = 1};
	struct buf text = {0};
	int fd;

	slot_put_envelope(&e, &text);
	fd = write_slot(sp, h, 1, buf_view(&text), content);
	buf_free(&text);
	return fd;
}

#define LIST 3000

/* A list of recipients of all lengths there are, some with bytes that are escaped. */
static void
make_list(struct arena *a, struct slot_rcpt *rcpts)
{
	for (size_t i = 0; i < LIST; i++) {
		size_t n = i % 97 == 0 ? 1100 : i % 50;
		char *local = arena_alloc(a, n + 1);

		memset(local, i % 3 ? 'x' : '\\', n);
		rcpts[i] = (struct slot_rcpt){
		    .address = arena_printf(a, "%zu%.*s@example.org", i, (int)n, local),
		    .orig = i % 2 ? STR_EMPTY : str_n(local, n),
		    .orcpt = i % 7 ? STR_EMPTY : STR("rfc822;a\nb\tc"),
		    .notify = (unsigned)i % 16,
		};
	}
}

static bool
same_rcpt(const struct slot_rcpt *x, const struct slot_rcpt *y)
{
	return str_eq(x->address, y->address) && str_eq(x->orig, y->orig) &&
	    str_eq(x->orcpt, y->orcpt) && x->notify == y->notify;
}

/* Reads the list in pieces of at most MAX: it is what was written. */
static void
read_in_pieces(int fd, const struct slot_rcpt *wanted, size_t max)
{
	struct arena *a = arena_new(0), *piece = arena_new(0);
	struct spool_message m;
	struct spool_cursor cursor;
	struct slot_rcpt *rcpts;
	struct buf why = {0};
	size_t n = 1, seen = 0;

	assert_int_equal(spool_load_begin(fd, true, a, &m, &cursor, NULL, 0, &why), SPOOL_OK);
	assert_int_equal(m.envelope.n_rcpts, 0);
	assert_int_equal(m.envelope.n_attrs, 1);
	assert_true(str_eq(m.envelope.sender, STR("a@example.org")));
	while (n > 0) {
		assert_int_equal(cursor.index, seen);
		arena_reset(piece);
		assert_int_equal(
		    spool_next_rcpts(fd, &m.header, &cursor, max, piece, &rcpts, &n, &why),
		    SPOOL_OK);
		assert_true(n <= max);
		for (size_t i = 0; i < n; i++)
			assert_true(same_rcpt(&rcpts[i], &wanted[seen + i]));
		seen += n;
	}
	assert_int_equal(seen, LIST);
	buf_free(&why);
	arena_free(&piece);
	arena_free(&a);
}

/* What spool_load_begin() says of a slot that was changed: the byte at OFFSET of the envelope is now C. */
static enum spool_status
with_byte(int fd, const struct slot_header *h, size_t offset, char c)
{
	struct arena *a = arena_new(0);
	struct spool_message m;
	struct spool_cursor cursor;
	struct buf why = {0};
	off_t at = (off_t)(slot_envelope_offset(h->rcpts) + offset);
	enum spool_status status;
	char before;

	assert_int_equal(pread(fd, &before, 1, at), 1);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	status = spool_load_begin(fd, true, a, &m, &cursor, NULL, 0, &why);
	assert_int_equal(pwrite(fd, &before, 1, at), 1);
	buf_free(&why);
	arena_free(&a);
	return status;
}

static void
test_long_list(void **state)
{
	static const size_t sizes[] = {1, 7, 999, SPOOL_PIECE_RCPTS};
	struct arena *a = arena_new(0);
	struct slot_rcpt *rcpts = arena_array(a, LIST, sizeof(*rcpts));
	struct slot_attr attr = {STR("client_name"), STR("mx")};
	struct slot_envelope e = {.sender = STR("a@example.org"),
	    .envid = STR_EMPTY,
	    .attrs = &attr,
	    .n_attrs = 1,
	    .rcpts = rcpts,
	    .n_rcpts = LIST};
	struct buf text = {0}, why = {0};
	struct slot_header h;
	bool busy;

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	struct spool *sp = spool_open(dir, &busy, &why);
	assert_true(spool_make(sp, 0, 1, 16384, &why));
	make_list(a, rcpts);
	slot_put_envelope(&e, &text);
	assert_true(text.len > 2 * SPOOL_WHOLE_MAX);
	int fd = write_slot(sp, &h, LIST, buf_view(&text), STR("x"));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		read_in_pieces(fd, rcpts, sizes[i]);
	/* The head, the first recipient, the middle, the last line's end. */
	assert_int_equal(with_byte(fd, &h, 0, 'x'), SPOOL_DAMAGED);
	assert_int_equal(with_byte(fd, &h, 60, 'x'), SPOOL_DAMAGED);
	assert_int_equal(with_byte(fd, &h, text.len / 2, '\0'), SPOOL_DAMAGED);
	assert_int_equal(with_byte(fd, &h, text.len - 1, 'x'), SPOOL_DAMAGED);
	close(fd);

	/* A sum that is right does not make sense of what has none: fewer recipients, a line without end. */
	fd = write_slot(sp, &h, LIST + 1, buf_view(&text), STR("x"));
	assert_int_equal(with_byte(fd, &h, text.len - 1, '\n'), SPOOL_DAMAGED);
	close(fd);
	buf_puts(&text, "rcpt 0\t");
	memset(buf_reserve(&text, 100000), 'y', 100000);
	text.len += 100000;
	fd = write_slot(sp, &h, LIST + 1, buf_view(&text), STR("x"));
	assert_int_equal(with_byte(fd, &h, text.len - 1, 'y'), SPOOL_DAMAGED);
	close(fd);
	spool_close(&sp);
	buf_free(&text);
	buf_free(&why);
	arena_free(&a);
}

static void
test_spool(void **state)
{
	struct buf why = {0}, content = {0};
	struct arena *a = arena_new(0);
	struct spool_message m;
	struct slot_header h;
	bool busy;
	size_t n = 0;
	struct spool *sp, *second;

	(void)state;
	assert_non_null(mkdtemp(dir));
	sp = spool_open(dir, &busy, &why);
	assert_non_null(sp);
	second = spool_open(dir, &busy, &why);
	assert_null(second);
	assert_true(busy);
	assert_true(spool_make(sp, 0, 3, 16384, &why));
	assert_true(spool_each(sp, count_slot, &n, &why));
	assert_int_equal(n, 3);
	/* A slot that exists is not made again, and what was made on the way is gone. */
	assert_false(spool_make(sp, 2, 2, 16384, &why));

	int fd = write_message(sp, &h, STR("Subject: x\r\n\r\nhello\r\n"));
	buf_reset(&why);
	assert_int_equal(spool_load(fd, true, a, &m, &content, 100, &why), SPOOL_OK);
	assert_true(m.mark_valid && m.mark.state == SLOT_INCOMING);
	assert_int_equal(m.envelope.n_rcpts, 1);
	assert_true(str_eq(buf_view(&content), STR("Subject: x\r\n\r\nhello\r\n")));

	struct slot_reason reason = {STR("4.2.2"), STR("full"), STR_EMPTY, STR_EMPTY};
	struct slot_rcpt_mark rmark = {SLOT_RCPT_TODO, 1};
	assert_true(spool_write_reason(fd, &h, 0, &reason));
	assert_true(spool_write_rcpt_mark(fd, h.id, 0, &rmark));
	assert_int_equal(spool_load(fd, false, a, &m, NULL, 0, &why), SPOOL_OK);
	assert_int_equal(m.marks[0].reason, 1);
	assert_true(str_eq(m.reasons[0].text, STR("full")));

	/* One damaged byte of content is found; freeing it makes the slot free whatever the content. */
	assert_int_equal(io_pwrite_all(fd, "X", 1, (off_t)slot_content_offset(&h) + 3), 0);
	assert_int_equal(spool_load(fd, true, a, &m, NULL, 0, &why), SPOOL_DAMAGED);
	struct slot_mark done = {.state = SLOT_FREE};
	assert_true(spool_write_mark(fd, h.id, &done));
	assert_int_equal(spool_load(fd, true, a, &m, NULL, 0, &why), SPOOL_FREE);
	/* A file shorter than its header says. */
	done.state = SLOT_QUEUED;
	assert_true(spool_write_mark(fd, h.id, &done));
	assert_int_equal(ftruncate(fd, 600), 0);
	assert_int_equal(spool_load(fd, true, a, &m, NULL, 0, &why), SPOOL_DAMAGED);
	close(fd);
	assert_true(spool_set_aside(sp, 0, h.id, &why));
	assert_true(spool_remove(sp, 1));
	spool_close(&sp);
	buf_free(&why);
	buf_free(&content);
	arena_free(&a);
}

static int
remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_id_round_trip),
	    cmocka_unit_test(test_id_order),
	    cmocka_unit_test(test_id_refused),
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_header_damage),
	    cmocka_unit_test(test_state_mark),
	    cmocka_unit_test(test_rcpt_mark),
	    cmocka_unit_test(test_reason),
	    cmocka_unit_test(test_envelope),
	    cmocka_unit_test_teardown(test_spool, remove_dir),
	    cmocka_unit_test_teardown(test_long_list, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
