/*
 * frame - headers, the hello, and what may come when
 *
 * Pure functions over bytes, for the channel on fibers and the one without.
 */
#include <string.h>

#include "lib/ipc/frame.h"

static const struct ipc_field hello_fields[] = {
    IPC_FIELD(struct ipc_hello, version, IPC_U64, 0),
    IPC_FIELD(struct ipc_hello, name, IPC_STR, IPC_NAME_MAX),
};

const struct ipc_schema ipc_hello = {
    .name = "hello",
    .type = IPC_TYPE_HELLO,
    .size = sizeof(struct ipc_hello),
    .fields = hello_fields,
    .n_fields = sizeof(hello_fields) / sizeof(hello_fields[0]),
};

const char *
ipc_status_text(enum ipc_status status)
{
	switch (status) {
	case IPC_OK:
		return "ok";
	case IPC_CLOSED:
		return "connection closed";
	case IPC_TIMED_OUT:
		return "timeout";
	case IPC_BAD:
		return "protocol error";
	case IPC_INVALID:
		return "message does not fit";
	}
	return "unknown status";
}

void
ipc_frame_put(unsigned char header[IPC_HEADER], struct ipc_frame frame)
{
	for (size_t i = 0; i < 4; i++)
		header[i] = (unsigned char)(frame.length >> (8 * i));
	header[4] = (unsigned char)frame.type;
	header[5] = (unsigned char)(frame.type >> 8);
	header[6] = header[7] = 0;
}

bool
ipc_frame_get(const void *header, struct ipc_frame *frame, struct buf *why)
{
	const unsigned char *h = header;

	frame->length = h[0] | (uint32_t)h[1] << 8 | (uint32_t)h[2] << 16 | (uint32_t)h[3] << 24;
	frame->type = (uint16_t)(h[4] | h[5] << 8);
	if (h[6] != 0 || h[7] != 0) {
		buf_puts(why, "no frame header: reserved bytes are set");
		return false;
	}
	if (frame->length > IPC_FRAME_MAX) {
		buf_printf(why, "frame of %lu bytes, more than %d", (unsigned long)frame->length,
		    IPC_FRAME_MAX);
		return false;
	}
	/* Without this a peer could keep us busy and never get on. */
	if (frame->type == IPC_TYPE_CONTENT && frame->length == 0) {
		buf_puts(why, "empty content frame");
		return false;
	}
	return true;
}

bool
ipc_frame_pack(
    const struct ipc_schema *schema, const void *message, struct buf *out, struct buf *why)
{
	unsigned char header[IPC_HEADER] = {0};
	size_t before = out->len, length;

	buf_append(out, header, sizeof(header));
	if (!ipc_pack(schema, message, out, why)) {
		buf_truncate(out, before);
		return false;
	}
	length = out->len - before - IPC_HEADER;
	if (length > IPC_FRAME_MAX) {
		buf_printf(why, "%s: %zu bytes, more than a frame's %d", schema->name, length,
		    IPC_FRAME_MAX);
		buf_truncate(out, before);
		return false;
	}
	ipc_frame_put(header, (struct ipc_frame){(uint32_t)length, schema->type});
	memcpy(out->data + before, header, sizeof(header));
	return true;
}

bool
ipc_frame_pack_hello(const char *name, struct buf *out)
{
	struct ipc_hello hello = {IPC_VERSION, str_sub(str_c(name), 0, IPC_NAME_MAX)};
	struct buf why = {0};
	bool ok = ipc_frame_pack(&ipc_hello, &hello, out, &why);

	buf_free(&why);
	return ok;
}

bool
ipc_frame_expected(struct ipc_frame frame, const struct ipc_schema *const *accept, bool content,
    const struct ipc_schema **schema, struct buf *why)
{
	*schema = NULL;
	if (frame.type == IPC_TYPE_CONTENT) {
		if (!content)
			buf_puts(why, "content where none is expected");
		return content;
	}
	for (; *accept != NULL; accept++) {
		if ((*accept)->type == frame.type) {
			*schema = *accept;
			return true;
		}
	}
	buf_printf(why, "message of type %u where it is not expected", frame.type);
	return false;
}

bool
ipc_frame_unpack(const struct ipc_schema *schema, struct str body, struct arena *a, void *message,
    struct buf *why)
{
	if (ipc_unpack(schema, body, a, message, why))
		return true;
	/* Programs that were replaced while others of the suite run: far likelier than anything else. */
	buf_puts(why, " (is the suite of another version still running? restart it)");
	return false;
}

bool
ipc_frame_hello(struct ipc_frame frame, struct str body, struct buf *name, struct buf *why)
{
	struct ipc_hello hello;
	struct arena *a;
	bool ok = false;

	if (frame.type != IPC_TYPE_HELLO) {
		buf_printf(why, "a frame of type %u before the hello", frame.type);
		return false;
	}
	a = arena_new(0);
	if (!ipc_unpack(&ipc_hello, body, a, &hello, why))
		goto out;
	if (hello.version != IPC_VERSION) {
		buf_printf(why, "protocol version %llu, ours is %d: restart the suite",
		    (unsigned long long)hello.version, IPC_VERSION);
		goto out;
	}
	buf_reset(name);
	buf_str(name, hello.name);
	ok = true;
out:
	arena_free(&a);
	return ok;
}
