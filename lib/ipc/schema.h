/*
 * schema - a message is a C struct and one table of its fields
 *
 * Packing, unpacking and checking come from the table. On the wire fields stand one behind the other in
 * the order of the table: integers as 8 bytes little-endian, booleans as 1 byte (0 or 1), text as a
 * 4-byte length and its bytes, lists as a 4-byte count and their elements. Unpacking fails, and leaves
 * nothing half done, when a length or count exceeds its limit, bytes are missing, or bytes are left
 * over. No file descriptor and no pointer is ever in a message.
 */
#ifndef POSTKEEP_IPC_SCHEMA_H
#define POSTKEEP_IPC_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

enum ipc_type {
	IPC_U64,  /* uint64_t; max: largest value, 0 = any */
	IPC_I64,  /* int64_t */
	IPC_BOOL, /* bool */
	IPC_STR, /* struct str; max: most bytes; unpacked text has a NUL behind it that does not count */
	IPC_LIST, /* struct ipc_list of structs described by sub; max: most elements */
};

struct ipc_list {
	void *items; /* array of the sub-schema's struct */
	size_t count;
};

struct ipc_schema;

struct ipc_field {
	const char *name;
	enum ipc_type type;
	size_t offset;
	uint64_t max;
	const struct ipc_schema *sub; /* IPC_LIST */
};

struct ipc_schema {
	const char *name;
	uint16_t type; /* frame type, unique over all messages; 0 for sub-schemas */
	size_t size;   /* of the struct */
	const struct ipc_field *fields;
	size_t n_fields;
};

#define IPC_FIELD(struct_type, member, field_type, most)                                           \
	{                                                                                          \
		.name = #member, .type = field_type, .offset = offsetof(struct_type, member),      \
		.max = (most)                                                                      \
	}
#define IPC_FIELD_LIST(struct_type, member, sub_schema, most)                                      \
	{                                                                                          \
		.name = #member, .type = IPC_LIST, .offset = offsetof(struct_type, member),        \
		.max = (most), .sub = (sub_schema)                                                 \
	}

/* Appends MESSAGE to OUT. False when a field exceeds its limit (OUT is as before); WHY names it. */
bool ipc_pack(
    const struct ipc_schema *schema, const void *message, struct buf *out, struct buf *why);
/* Bytes that MESSAGE takes on the wire: what fills a list has to keep it below IPC_FRAME_MAX. */
size_t ipc_packed_size(const struct ipc_schema *schema, const void *message);
/* Fills *MESSAGE (schema->size bytes); text and lists live in A. False: WHY says what is wrong. */
bool ipc_unpack(const struct ipc_schema *schema, struct str data, struct arena *a, void *message,
    struct buf *why);

#endif
