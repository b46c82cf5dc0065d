/*
 * schema - packing and unpacking by table
 *
 * Trusts the tables and nothing else. What is unpacked was written by another process: every length and
 * count is held against its limit and against the bytes that are there before anything is allocated,
 * so a short frame cannot make a large allocation.
 */
#include <string.h>

#include "lib/base/checked.h"
#include "lib/ipc/schema.h"

struct reader {
	const unsigned char *at;
	size_t left;
	struct arena *arena;
	struct buf *why;
};

static void
put_le(struct buf *out, uint64_t value, size_t bytes)
{
	unsigned char raw[8];

	for (size_t i = 0; i < bytes; i++)
		raw[i] = (unsigned char)(value >> (8 * i));
	buf_append(out, raw, bytes);
}

static uint64_t
get_le(const unsigned char *raw, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)raw[i] << (8 * i);
	return value;
}

static bool
too_much(
    const struct ipc_schema *schema, const struct ipc_field *field, uint64_t value, struct buf *why)
{
	buf_printf(why, "%s.%s: %llu is more than the limit of %llu", schema->name, field->name,
	    (unsigned long long)value, (unsigned long long)field->max);
	return false;
}

static bool pack_struct(
    const struct ipc_schema *schema, const void *message, struct buf *out, struct buf *why);

static bool
pack_u64(const struct ipc_schema *schema, const struct ipc_field *field, uint64_t value,
    struct buf *out, struct buf *why)
{
	if (field->max != 0 && value > field->max)
		return too_much(schema, field, value, why);
	put_le(out, value, 8);
	return true;
}

static bool
pack_str(const struct ipc_schema *schema, const struct ipc_field *field, struct str value,
    struct buf *out, struct buf *why)
{
	if (value.len > field->max)
		return too_much(schema, field, value.len, why);
	put_le(out, value.len, 4);
	buf_str(out, value);
	return true;
}

static bool
pack_list(const struct ipc_schema *schema, const struct ipc_field *field,
    const struct ipc_list *value, struct buf *out, struct buf *why)
{
	const char *item = value->items;

	if (value->count > field->max)
		return too_much(schema, field, value->count, why);
	put_le(out, value->count, 4);
	for (size_t i = 0; i < value->count; i++, item += field->sub->size)
		if (!pack_struct(field->sub, item, out, why))
			return false;
	return true;
}

static bool
pack_struct(const struct ipc_schema *schema, const void *message, struct buf *out, struct buf *why)
{
	bool ok = true;

	for (size_t i = 0; ok && i < schema->n_fields; i++) {
		const struct ipc_field *f = &schema->fields[i];
		const void *p = (const char *)message + f->offset;

		switch (f->type) {
		case IPC_U64:
			ok = pack_u64(schema, f, *(const uint64_t *)p, out, why);
			break;
		case IPC_I64:
			put_le(out, (uint64_t) * (const int64_t *)p, 8);
			break;
		case IPC_BOOL:
			put_le(out, *(const bool *)p ? 1 : 0, 1);
			break;
		case IPC_STR:
			ok = pack_str(schema, f, *(const struct str *)p, out, why);
			break;
		case IPC_LIST:
			ok = pack_list(schema, f, p, out, why);
			break;
		}
	}
	return ok;
}

bool
ipc_pack(const struct ipc_schema *schema, const void *message, struct buf *out, struct buf *why)
{
	size_t before = out->len;

	if (pack_struct(schema, message, out, why))
		return true;
	buf_truncate(out, before);
	return false;
}

/* The fewest bytes a struct can take on the wire: what bounds a list's allocation. */
static size_t
least_size(const struct ipc_schema *schema)
{
	size_t sum = 0;

	for (size_t i = 0; i < schema->n_fields; i++) {
		switch (schema->fields[i].type) {
		case IPC_U64:
		case IPC_I64:
			sum += 8;
			break;
		case IPC_BOOL:
			sum += 1;
			break;
		case IPC_STR:
		case IPC_LIST:
			sum += 4;
			break;
		}
	}
	return sum;
}

size_t
ipc_packed_size(const struct ipc_schema *schema, const void *message)
{
	size_t sum = least_size(schema);

	for (size_t i = 0; i < schema->n_fields; i++) {
		const struct ipc_field *f = &schema->fields[i];
		const void *p = (const char *)message + f->offset;

		if (f->type == IPC_STR) {
			sum += ((const struct str *)p)->len;
		} else if (f->type == IPC_LIST) {
			const struct ipc_list *list = p;
			const char *item = list->items;

			for (size_t n = 0; n < list->count; n++, item += f->sub->size)
				sum += ipc_packed_size(f->sub, item);
		}
	}
	return sum;
}

static bool
take(struct reader *r, const struct ipc_schema *schema, const struct ipc_field *field, size_t n,
    const unsigned char **bytes)
{
	if (r->left < n) {
		buf_printf(
		    r->why, "%s.%s: %zu bytes are missing", schema->name, field->name, n - r->left);
		return false;
	}
	*bytes = r->at;
	r->at += n;
	r->left -= n;
	return true;
}

static bool
take_number(struct reader *r, const struct ipc_schema *schema, const struct ipc_field *field,
    size_t n, uint64_t *value)
{
	const unsigned char *raw;

	if (!take(r, schema, field, n, &raw))
		return false;
	*value = get_le(raw, n);
	return true;
}

static bool unpack_struct(const struct ipc_schema *schema, struct reader *r, void *message);

static bool
unpack_u64(const struct ipc_schema *schema, const struct ipc_field *field, struct reader *r,
    uint64_t *value)
{
	if (!take_number(r, schema, field, 8, value))
		return false;
	if (field->max != 0 && *value > field->max)
		return too_much(schema, field, *value, r->why);
	return true;
}

static bool
unpack_bool(
    const struct ipc_schema *schema, const struct ipc_field *field, struct reader *r, bool *value)
{
	uint64_t raw;

	if (!take_number(r, schema, field, 1, &raw))
		return false;
	if (raw > 1) {
		buf_printf(r->why, "%s.%s: %u is no truth value", schema->name, field->name,
		    (unsigned)raw);
		return false;
	}
	*value = raw == 1;
	return true;
}

static bool
unpack_str(const struct ipc_schema *schema, const struct ipc_field *field, struct reader *r,
    struct str *value)
{
	const unsigned char *bytes;
	uint64_t len;

	if (!take_number(r, schema, field, 4, &len))
		return false;
	if (len > field->max)
		return too_much(schema, field, len, r->why);
	if (!take(r, schema, field, (size_t)len, &bytes))
		return false;
	*value = arena_str(r->arena, str_n(bytes, (size_t)len));
	return true;
}

static bool
unpack_list(const struct ipc_schema *schema, const struct ipc_field *field, struct reader *r,
    struct ipc_list *value)
{
	const struct ipc_schema *sub = field->sub;
	uint64_t count;
	size_t least;
	char *item;

	if (!take_number(r, schema, field, 4, &count))
		return false;
	if (count > field->max)
		return too_much(schema, field, count, r->why);
	if (!checked_mul((size_t)count, least_size(sub), &least) || least > r->left) {
		buf_printf(r->why, "%s.%s: fewer elements than the count of %llu says",
		    schema->name, field->name, (unsigned long long)count);
		return false;
	}
	item = count == 0 ? NULL : arena_array(r->arena, (size_t)count, sub->size);
	value->items = item;
	value->count = (size_t)count;
	for (size_t i = 0; i < value->count; i++, item += sub->size)
		if (!unpack_struct(sub, r, item))
			return false;
	return true;
}

static bool
unpack_struct(const struct ipc_schema *schema, struct reader *r, void *message)
{
	bool ok = true;

	for (size_t i = 0; ok && i < schema->n_fields; i++) {
		const struct ipc_field *f = &schema->fields[i];
		void *p = (char *)message + f->offset;
		uint64_t number;

		switch (f->type) {
		case IPC_U64:
			ok = unpack_u64(schema, f, r, p);
			break;
		case IPC_I64:
			ok = take_number(r, schema, f, 8, &number);
			if (ok)
				*(int64_t *)p = (int64_t)number;
			break;
		case IPC_BOOL:
			ok = unpack_bool(schema, f, r, p);
			break;
		case IPC_STR:
			ok = unpack_str(schema, f, r, p);
			break;
		case IPC_LIST:
			ok = unpack_list(schema, f, r, p);
			break;
		}
	}
	return ok;
}

bool
ipc_unpack(const struct ipc_schema *schema, struct str data, struct arena *a, void *message,
    struct buf *why)
{
	struct reader r = {
	    .at = (const unsigned char *)data.data, .left = data.len, .arena = a, .why = why};
	bool ok;

	memset(message, 0, schema->size);
	ok = unpack_struct(schema, &r, message);
	if (ok && r.left != 0) {
		buf_printf(why, "%s: %zu surplus bytes", schema->name, r.left);
		ok = false;
	}
	if (!ok)
		memset(message, 0, schema->size);
	return ok;
}
