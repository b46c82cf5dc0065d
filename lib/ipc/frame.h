/*
 * frame - what stands around a message on the wire, with or without fibers
 *
 * Frame: 4 bytes little-endian length of what follows the header, 2 bytes type, 2 bytes zero; then at
 * most IPC_FRAME_MAX bytes. The first frame of each side is the hello. Both the channel on fibers
 * (channel.h) and the one without (blocking.h) are made from these functions, which touch no
 * descriptor and trust nothing they are given.
 */
#ifndef POSTKEEP_IPC_FRAME_H
#define POSTKEEP_IPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/ipc/schema.h"

#define IPC_VERSION 1
#define IPC_HEADER 8
#define IPC_FRAME_MAX 65536
#define IPC_NAME_MAX 64 /* bytes of a name in a hello */
#define IPC_TYPE_HELLO 0xfffe
#define IPC_TYPE_CONTENT 0xffff

enum ipc_status {
	IPC_OK = 0,
	IPC_CLOSED, /* the peer is gone, in between frames or within one */
	IPC_TIMED_OUT,
	IPC_BAD,     /* the peer broke the rules; logged */
	IPC_INVALID, /* our own message does not fit its schema; logged, nothing was sent */
};

/* In words, for logs: "connection closed", "timeout", … */
const char *ipc_status_text(enum ipc_status status);

struct ipc_message {
	const struct ipc_schema *schema; /* NULL for content */
	void *body;                      /* the struct, in the arena; NULL for content */
	struct str content;              /* a view, good until the next call on the channel */
};

struct ipc_frame {
	uint32_t length; /* of what follows the header */
	uint16_t type;
};

struct ipc_hello {
	uint64_t version;
	struct str name;
};
extern const struct ipc_schema ipc_hello;

void ipc_frame_put(unsigned char header[IPC_HEADER], struct ipc_frame frame);
/* False with WHY: longer than IPC_FRAME_MAX, reserved bytes in use, an empty content frame. */
bool ipc_frame_get(const void *header, struct ipc_frame *frame, struct buf *why);

/* Appends MESSAGE with its header. False with WHY, OUT as before, when it does not fit. */
bool ipc_frame_pack(
    const struct ipc_schema *schema, const void *message, struct buf *out, struct buf *why);
bool ipc_frame_pack_hello(const char *name, struct buf *out);

/*
 * Is a frame of this type one that may come now? ACCEPT lists schemas, NULL at the end; *SCHEMA is NULL
 * for content. False with WHY.
 */
bool ipc_frame_expected(struct ipc_frame frame, const struct ipc_schema *const *accept,
    bool content, const struct ipc_schema **schema, struct buf *why);
/* ipc_unpack(); its WHY says what an operator can do about a peer whose messages have other fields. */
bool ipc_frame_unpack(const struct ipc_schema *schema, struct str body, struct arena *a,
    void *message, struct buf *why);
/* Checks a hello and copies the name to NAME (emptied before). False with WHY. */
bool ipc_frame_hello(struct ipc_frame frame, struct str body, struct buf *name, struct buf *why);

#endif
