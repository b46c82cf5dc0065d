/*
 * test_ipc_schema - packing and unpacking: the wire form, every limit of every message, damage
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/ipc/frame.h"
#include "lib/ipc/messages.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- A schema of our own, whose wire form is written out ---- */

struct inner {
	bool flag;
	struct str word;
};

struct outer {
	uint64_t number;
	int64_t offset;
	bool yes;
	struct str text;
	struct ipc_list list;
};

static const struct ipc_field inner_fields[] = {
    IPC_FIELD(struct inner, flag, IPC_BOOL, 0),
    IPC_FIELD(struct inner, word, IPC_STR, 3),
};
static const struct ipc_schema inner_schema = {
    .name = "inner", .size = sizeof(struct inner), .fields = inner_fields, .n_fields = 2};
static const struct ipc_field outer_fields[] = {
    IPC_FIELD(struct outer, number, IPC_U64, 1000),
    IPC_FIELD(struct outer, offset, IPC_I64, 0),
    IPC_FIELD(struct outer, yes, IPC_BOOL, 0),
    IPC_FIELD(struct outer, text, IPC_STR, 5),
    IPC_FIELD_LIST(struct outer, list, &inner_schema, 2),
};
static const struct ipc_schema outer_schema = {.name = "outer",
    .type = 7,
    .size = sizeof(struct outer),
    .fields = outer_fields,
    .n_fields = COUNT(outer_fields)};

static const char outer_wire[] = "\xe8\x03\0\0\0\0\0\0"             /* number: 1000 */
				 "\xfe\xff\xff\xff\xff\xff\xff\xff" /* offset: -2 */
				 "\x01"                             /* yes */
				 "\x05\0\0\0a\0b\r\n"               /* text, a NUL within */
				 "\x02\0\0\0"                       /* list: two */
				 "\x00\x03\0\0\0xyz"
				 "\x01\x00\0\0\0";
#define OUTER_WIRE ((struct str){outer_wire, sizeof(outer_wire) - 1})
#define AT_NUMBER 0
#define AT_YES 16
#define AT_TEXT 17
#define AT_LIST 26
#define AT_WORD 31

static void
test_wire_form(void **state)
{
	struct inner items[] = {{false, STR("xyz")}, {true, STR_EMPTY}};
	struct outer in = {1000, -2, true, {"a\0b\r\n", 5}, {items, 2}}, out;
	struct buf wire = {0}, why = {0};
	struct arena *a = arena_new(0);
	const struct inner *got;

	(void)state;
	buf_puts(&wire, "before");
	assert_true(ipc_pack(&outer_schema, &in, &wire, &why));
	assert_int_equal(wire.len, 6 + OUTER_WIRE.len);
	assert_memory_equal(wire.data + 6, outer_wire, OUTER_WIRE.len);
	assert_int_equal(ipc_packed_size(&outer_schema, &in), OUTER_WIRE.len);

	assert_true(ipc_unpack(&outer_schema, OUTER_WIRE, a, &out, &why));
	assert_int_equal(out.number, 1000);
	assert_int_equal(out.offset, -2);
	assert_true(out.yes);
	assert_true(str_eq(out.text, in.text));
	assert_int_equal(out.text.data[5], 0);
	assert_int_equal(out.list.count, 2);
	got = out.list.items;
	assert_true(str_eq(got[0].word, STR("xyz")) && !got[0].flag);
	assert_true(got[1].word.len == 0 && got[1].flag);
	assert_int_equal(why.len, 0);
	buf_free(&wire);
	arena_free(&a);
}

static void
test_damage(void **state)
{
	static const struct {
		size_t at;
		unsigned char value;
		const char *why;
	} cases[] = {
	    {AT_NUMBER, 0xe9, "outer.number: 1001 is more than the limit of 1000"},
	    {AT_NUMBER + 7, 0x80, "outer.number"}, {AT_YES, 2, "outer.yes: 2 is no truth value"},
	    {AT_YES, 0xff, "outer.yes"}, {AT_TEXT, 6, "outer.text: 6 is more than the limit of 5"},
	    {AT_TEXT + 3, 0x80, "outer.text"},
	    {AT_LIST, 3, "outer.list: 3 is more than the limit of 2"},
	    {AT_LIST + 3, 0xff, "outer.list"}, {AT_LIST, 1, "surplus"},
	    {AT_WORD, 4, "inner.word: 4 is more than the limit of 3"},
	    {AT_WORD, 2, NULL}, /* what is left of the word becomes a flag of 'z' */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char wire[sizeof(outer_wire)];
		struct outer out;
		struct buf why = {0};
		struct arena *a = arena_new(0);

		memcpy(wire, outer_wire, sizeof(wire));
		wire[cases[i].at] = (char)cases[i].value;
		memset(&out, 0xaa, sizeof(out));
		assert_false(ipc_unpack(&outer_schema, str_n(wire, OUTER_WIRE.len), a, &out, &why));
		assert_non_null(strstr(buf_cstr(&why), cases[i].why ? cases[i].why : "inner."));
		assert_true(out.text.data == NULL && out.list.items == NULL && out.number == 0);
		buf_free(&why);
		arena_free(&a);
	}
}

/* A count alone must not make us allocate: elements have to be there. */
static void
test_count_without_elements(void **state)
{
	struct msg_submit_rcpts out;
	struct buf why = {0};
	struct arena *a = arena_new(0);

	(void)state;
	assert_false(ipc_unpack(&msg_submit_rcpts, str_n("\x64\0\0\0", 4), a, &out, &why));
	assert_non_null(strstr(buf_cstr(&why), "fewer elements"));
	assert_int_equal(arena_used(a), 0);
	buf_free(&why);
	arena_free(&a);
}

/* ---- Every message of the suite ---- */

/* Fills a message so that each field holds the most it may; lists hold two elements, or their most. */
static void
fill(const struct ipc_schema *schema, void *message, struct arena *a)
{
	memset(message, 0, schema->size);
	for (size_t i = 0; i < schema->n_fields; i++) {
		const struct ipc_field *f = &schema->fields[i];
		void *p = (char *)message + f->offset;

		if (f->type == IPC_U64) {
			*(uint64_t *)p = f->max ? f->max : UINT64_MAX;
		} else if (f->type == IPC_I64) {
			*(int64_t *)p = INT64_MIN;
		} else if (f->type == IPC_BOOL) {
			*(bool *)p = true;
		} else if (f->type == IPC_STR) {
			char *text = arena_alloc(a, f->max);

			memset(text, 'x', f->max);
			*(struct str *)p = str_n(text, f->max);
		} else {
			struct ipc_list *list = p;

			list->count = f->max < 2 ? f->max : 2;
			list->items = arena_array(a, list->count, f->sub->size);
			for (size_t n = 0; n < list->count; n++)
				fill(f->sub, (char *)list->items + n * f->sub->size, a);
		}
	}
}

static void
test_every_message_round(void **state)
{
	(void)state;
	for (size_t i = 0; msg_all[i]; i++) {
		const struct ipc_schema *schema = msg_all[i];
		struct arena *a = arena_new(0);
		void *in = arena_alloc(a, schema->size), *out = arena_alloc(a, schema->size);
		struct buf wire = {0}, again = {0}, why = {0};

		fill(schema, in, a);
		assert_true(ipc_pack(schema, in, &wire, &why));
		assert_int_equal(wire.len, ipc_packed_size(schema, in));
		assert_true(wire.len <= IPC_FRAME_MAX);
		assert_true(ipc_unpack(schema, buf_view(&wire), a, out, &why));
		assert_true(ipc_pack(schema, out, &again, &why));
		assert_true(str_eq(buf_view(&wire), buf_view(&again)));
		buf_free(&wire);
		buf_free(&again);
		buf_free(&why);
		arena_free(&a);
	}
}

static void
test_every_message_cut(void **state)
{
	(void)state;
	for (size_t i = 0; msg_all[i]; i++) {
		const struct ipc_schema *schema = msg_all[i];
		struct arena *a = arena_new(0);
		void *in = arena_alloc(a, schema->size);
		struct buf wire = {0}, why = {0};

		fill(schema, in, a);
		assert_true(ipc_pack(schema, in, &wire, &why));
		for (size_t n = 0; n < wire.len; n++) {
			struct arena *b = arena_new(0);
			/* Memory of its own, so that a sanitizer sees a byte read too many. */
			char *cut = mem_alloc(n + 1);

			memcpy(cut, wire.data, n);
			buf_reset(&why);
			assert_false(ipc_unpack(schema, str_n(cut, n), b, in, &why));
			assert_true(why.len > 0);
			free(cut);
			arena_free(&b);
		}
		buf_putc(&wire, '\0');
		buf_reset(&why);
		assert_false(ipc_frame_unpack(schema, buf_view(&wire), a, in, &why));
		assert_non_null(strstr(buf_cstr(&why), "1 surplus byte"));
		assert_non_null(strstr(buf_cstr(&why), "restart it"));
		buf_free(&wire);
		buf_free(&why);
		arena_free(&a);
	}
}

/* One field of TOP (or of the elements of one of its lists) just above its limit. */
static void
above(const struct ipc_schema *top, size_t list_field, size_t field)
{
	bool in_list = list_field != SIZE_MAX;
	const struct ipc_schema *schema = in_list ? top->fields[list_field].sub : top;
	const struct ipc_field *f = &schema->fields[field];
	struct ipc_field wide_fields[32], wide_top_fields[32];
	struct ipc_schema wide = *schema, wide_top = *top;
	struct arena *a = arena_new(0);
	void *message = arena_alloc(a, top->size);
	struct buf wire = {0}, why = {0};

	if (f->type == IPC_I64 || f->type == IPC_BOOL || (f->type == IPC_U64 && f->max == 0))
		goto out; /* no limit */
	/* The same schema with room for one more makes the message, and its wire form. */
	memcpy(wide_fields, schema->fields, schema->n_fields * sizeof(*f));
	memcpy(wide_top_fields, top->fields, top->n_fields * sizeof(*f));
	wide_fields[field].max++;
	wide.fields = wide_fields;
	wide_top.fields = wide_top_fields;
	if (in_list)
		wide_top_fields[list_field].sub = &wide;
	else
		wide_top_fields[field].max++;
	fill(&wide_top, message, a);
	if (f->type == IPC_LIST) {
		struct ipc_list *list = (void *)((char *)message + f->offset);

		list->count = f->max + 1;
		list->items = arena_array(a, list->count, f->sub->size);
	}
	buf_puts(&wire, "kept");
	assert_false(ipc_pack(top, message, &wire, &why));
	assert_true(str_eq(buf_view(&wire), STR("kept")));
	assert_non_null(strstr(buf_cstr(&why), f->name));
	buf_reset(&wire);
	buf_reset(&why);
	assert_true(ipc_pack(&wide_top, message, &wire, &why));
	assert_false(ipc_unpack(top, buf_view(&wire), a, message, &why));
	assert_non_null(strstr(buf_cstr(&why), f->name));
out:
	buf_free(&wire);
	buf_free(&why);
	arena_free(&a);
}

static void
test_every_limit(void **state)
{
	(void)state;
	for (size_t i = 0; msg_all[i]; i++) {
		const struct ipc_schema *schema = msg_all[i];

		assert_true(schema->n_fields <= 32);
		for (size_t f = 0; f < schema->n_fields; f++) {
			above(schema, SIZE_MAX, f);
			if (schema->fields[f].type == IPC_LIST)
				for (size_t s = 0; s < schema->fields[f].sub->n_fields; s++)
					above(schema, f, s);
		}
	}
}

static void
test_types_are_unique(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; msg_all[i]; i++, count++) {
		assert_true(msg_all[i]->type > 0 && msg_all[i]->type < IPC_TYPE_HELLO);
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(msg_all[i]->type, msg_all[j]->type);
			assert_string_not_equal(msg_all[i]->name, msg_all[j]->name);
		}
	}
	assert_true(count >= 31);
}

static void
test_attributes(void **state)
{
	static const struct {
		struct str name;
		bool network, local;
	} cases[] = {
	    {STR("client_name"), true, true},
	    {STR("client_address"), true, true},
	    {STR("helo_name"), true, true},
	    {STR("protocol_name"), true, true},
	    {STR("sasl_username"), false, true},
	    {STR("local_uid"), false, true},
	    {STR("transport"), false, false},
	    {STR("client_nam"), false, false},
	    {STR("client_name "), false, false},
	    {STR("CLIENT_NAME"), false, false},
	    {STR(""), false, false},
	    {STR("client_name\0"), false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(msg_attr_allowed(cases[i].name, false), cases[i].network);
		assert_int_equal(msg_attr_allowed(cases[i].name, true), cases[i].local);
	}
}

static void
test_frame_header(void **state)
{
	static const struct {
		unsigned char bytes[IPC_HEADER];
		bool ok;
	} cases[] = {
	    {{0, 0, 0, 0, 1, 0, 0, 0}, true}, {{0, 0, 1, 0, 1, 0, 0, 0}, true}, /* 65536 */
	    {{1, 0, 1, 0, 1, 0, 0, 0}, false}, {{0, 0, 0, 0x80, 1, 0, 0, 0}, false},
	    {{0, 0, 0, 0, 1, 0, 1, 0}, false}, {{0, 0, 0, 0, 1, 0, 0, 1}, false},
	    {{1, 0, 0, 0, 0xff, 0xff, 0, 0}, true},
	    {{0, 0, 0, 0, 0xff, 0xff, 0, 0}, false}, /* content without bytes */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ipc_frame frame;
		struct buf why = {0};
		unsigned char back[IPC_HEADER];

		assert_int_equal(ipc_frame_get(cases[i].bytes, &frame, &why), cases[i].ok);
		assert_int_equal(why.len == 0, cases[i].ok);
		if (cases[i].ok) {
			ipc_frame_put(back, frame);
			assert_memory_equal(back, cases[i].bytes, IPC_HEADER);
		}
		buf_free(&why);
	}
}

/* A message may fit its schema and not a frame. */
static void
test_frame_too_long(void **state)
{
	struct arena *a = arena_new(0);
	struct msg_submit_rcpts message;
	struct msg_rcpt *rcpts = arena_array(a, 20, sizeof(*rcpts));
	struct buf out = {0}, why = {0};

	(void)state;
	message.rcpts = (struct ipc_list){rcpts, 19};
	for (size_t i = 0; i < 20; i++)
		fill(msg_submit_rcpts.fields[0].sub, &rcpts[i], a);
	assert_true(ipc_frame_pack(&msg_submit_rcpts, &message, &out, &why));
	assert_int_equal(out.len, IPC_HEADER + ipc_packed_size(&msg_submit_rcpts, &message));
	message.rcpts.count = 20;
	buf_reset(&out);
	assert_true(ipc_packed_size(&msg_submit_rcpts, &message) > IPC_FRAME_MAX);
	assert_false(ipc_frame_pack(&msg_submit_rcpts, &message, &out, &why));
	assert_int_equal(out.len, 0);
	assert_non_null(strstr(buf_cstr(&why), "more than a frame's"));
	buf_free(&out);
	buf_free(&why);
	arena_free(&a);
}

static void
test_hello(void **state)
{
	struct buf out = {0}, name = {0}, why = {0};
	struct ipc_frame frame;

	(void)state;
	assert_true(ipc_frame_pack_hello("smtpd", &out));
	assert_true(ipc_frame_get(out.data, &frame, &why));
	assert_true(ipc_frame_hello(frame, str_from(buf_view(&out), IPC_HEADER), &name, &why));
	assert_true(str_eq(buf_view(&name), STR("smtpd")));
	out.data[IPC_HEADER]++; /* the version */
	assert_false(ipc_frame_hello(frame, str_from(buf_view(&out), IPC_HEADER), &name, &why));
	assert_non_null(strstr(buf_cstr(&why), "version 2"));
	frame.type = msg_submit_begin.type;
	assert_false(ipc_frame_hello(frame, str_from(buf_view(&out), IPC_HEADER), &name, &why));
	buf_free(&out);
	buf_free(&name);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wire_form),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_count_without_elements),
	    cmocka_unit_test(test_every_message_round),
	    cmocka_unit_test(test_every_message_cut),
	    cmocka_unit_test(test_every_limit),
	    cmocka_unit_test(test_types_are_unique),
	    cmocka_unit_test(test_attributes),
	    cmocka_unit_test(test_frame_header),
	    cmocka_unit_test(test_frame_too_long),
	    cmocka_unit_test(test_hello),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
