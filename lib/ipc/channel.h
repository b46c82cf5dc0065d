/*
 * channel - framed messages over a stream
 *
 * Frame: 4 bytes little-endian length of what follows the header, 2 bytes type, 2 bytes zero; then at
 * most IPC_FRAME_MAX bytes. Types below IPC_TYPE_CONTENT are messages (see messages.h). A frame of type
 * IPC_TYPE_CONTENT carries a piece of a message's content as it is.
 *
 * The first frame each side sends is the hello: protocol version and service name. A peer that sends
 * anything else first, a bad frame, an unknown type or one that is not expected here has its channel
 * closed and a line in the log; nothing else happens to the receiver. After a failure every later call
 * of the same direction fails too.
 *
 * At most one fiber sends and one receives on a channel at a time; these may be two. Nothing flushes
 * but ipc_flush() and ipc_call(). Envelope and content of a small message leave in one write.
 */
#ifndef POSTKEEP_IPC_CHANNEL_H
#define POSTKEEP_IPC_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/fiber/stream.h"
#include "lib/ipc/frame.h"
#include "lib/ipc/schema.h"

struct ipc_channel;

/*
 * Takes over STREAM. NAME is what we say in our hello (the program), PEER what the other side is called
 * in logs. Nothing is sent yet: the hello goes with the first message.
 */
struct ipc_channel *ipc_channel_new(struct stream *stream, const char *name, const char *peer);
void ipc_channel_free(struct ipc_channel **ch);
/* Connects to a UNIX socket relative to the working directory; NULL with errno. Waits. */
struct ipc_channel *ipc_connect(const char *path, const char *name, fiber_deadline deadline);

/* For timeouts, fd passing, peeking at readiness. */
struct stream *ipc_stream(struct ipc_channel *ch);
/* How the peer named itself in its hello; empty before it arrived. */
struct str ipc_peer_name(const struct ipc_channel *ch);

/* Buffered until ipc_flush(). */
enum ipc_status ipc_send(
    struct ipc_channel *ch, const struct ipc_schema *schema, const void *message);
/* Any length: cut into frames; sent as the buffer fills. May wait. */
enum ipc_status ipc_send_content(struct ipc_channel *ch, struct str content);
enum ipc_status ipc_flush(struct ipc_channel *ch);

/*
 * The next frame. ACCEPT lists the schemas allowed now (NULL at the end); CONTENT allows content
 * frames. Message structs live in A. Content comes in pieces of at least one byte that need not be the
 * frames it was sent in, and is not copied: MESSAGE->content shows the stream's buffer. Waits.
 */
enum ipc_status ipc_recv(struct ipc_channel *ch, struct arena *a,
    const struct ipc_schema *const *accept, bool content, struct ipc_message *message);
/* The same for the one schema that may come; the struct is copied to *BODY. */
enum ipc_status ipc_recv_one(
    struct ipc_channel *ch, struct arena *a, const struct ipc_schema *schema, void *body);

/* A request and its one answer. */
enum ipc_status ipc_call(struct ipc_channel *ch, struct arena *a, const struct ipc_schema *ask,
    const void *request, const struct ipc_schema *answer, void *reply);

#endif
