/*
 * stream - buffered reading and writing on a fiber
 *
 * Over a descriptor (socket or pipe, made non-blocking) or over memory (tests, fuzzing); a TLS layer
 * puts itself between by the struct stream_io. Every wait has a deadline. The input buffer exists
 * only while there is something in it, so an idle stream costs little. One fiber may read while
 * another one writes; two that read, or two that write, have to take turns.
 *
 * Errors stick: after any result but STREAM_OK reads keep returning it (STREAM_TOO_LONG excepted);
 * the same for writes.
 */
#ifndef POSTKEEP_FIBER_STREAM_H
#define POSTKEEP_FIBER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/fiber/fiber.h"

struct stream;

enum stream_status {
	STREAM_OK = 0,
	STREAM_EOF, /* the peer is done (or, for a line, ended in the middle of one) */
	STREAM_TIMEOUT, /* a single read or write took longer than the timeout, or the total deadline passed */
	STREAM_TOO_LONG, /* a line longer than allowed; the rest of it is still to be read */
	STREAM_ERROR,    /* see stream_errno() */
	STREAM_CANCELED, /* the fiber was canceled */
};

/* In words, for logs: "timeout", "connection lost", … */
const char *stream_status_text(enum stream_status status);

/*
 * Raw I/O under the buffers. read and write return a count, 0 for end of file (read), or -1 with errno;
 * with EAGAIN, *WAIT_FOR says what to wait for (FIBER_READ or FIBER_WRITE). close is called once.
 */
struct stream_io {
	ssize_t (*read)(void *ctx, void *data, size_t n, int *wait_for);
	ssize_t (*write)(void *ctx, const void *data, size_t n, int *wait_for);
	void (*close)(void *ctx);
};

/* Takes over FD (a socket or pipe): closed by stream_close(). */
struct stream *stream_fd(int fd);
/* Reads from FD_IN, writes to FD_OUT (stdin and stdout, say); closes neither. */
struct stream *stream_fd_pair(int fd_in, int fd_out);
/* INPUT must outlive the stream; what is written is appended to OUTPUT (NULL: thrown away). */
struct stream *stream_memory(struct str input, struct buf *output);
/* Flushes nothing, closes, sets *S to NULL; NULL is accepted. */
void stream_close(struct stream **s);

/* The descriptor (of the input side), or -1. */
int stream_get_fd(const struct stream *s);
/* Puts another layer in place of plain read/write. Input already buffered is thrown away (and its
 * length returned): what came in clear does not survive into TLS. */
size_t stream_set_io(struct stream *s, const struct stream_io *io, void *ctx);
/* Waits until the descriptor is ready for one of EVENTS (FIBER_READ, FIBER_WRITE): for a layer's
 * handshake. The limits of time are those of a read. */
enum stream_status stream_wait(struct stream *s, int events);

/* Milliseconds a single read or flush may wait; 0 = no such limit. The start value is 5 minutes. */
void stream_timeout(struct stream *s, int64_t ms);
/* A point in time that no wait on this stream passes. */
void stream_deadline(struct stream *s, fiber_deadline deadline);

/*
 * One line with its LF, at most MAX bytes (both counted; at most 64 KiB + 64). *LINE is a view, good
 * until the next read. STREAM_TOO_LONG: *LINE holds the first MAX bytes, which are consumed.
 * STREAM_EOF: *LINE holds what came after the last LF. Waits.
 */
enum stream_status stream_read_line(struct stream *s, size_t max, struct str *line);
/*
 * What is there, at most MAX bytes, at least one. *CHUNK is a view, good until the next read; it is
 * consumed. Waits if nothing is buffered.
 */
enum stream_status stream_read_some(struct stream *s, size_t max, struct str *chunk);
/* Exactly N bytes into DATA. Waits. */
enum stream_status stream_read_exact(struct stream *s, void *data, size_t n);
/*
 * Waits until at least N bytes are buffered (N at most 64 KiB + 64) and shows them, unconsumed; the
 * view may be longer than N. stream_skip() consumes.
 */
enum stream_status stream_peek(struct stream *s, size_t n, struct str *view);
void stream_skip(struct stream *s, size_t n);
/* Bytes read but not consumed: has the client sent more than it should? Does not wait or read. */
size_t stream_buffered(const struct stream *s);
/* Is there input, in the buffer or in the descriptor? Does not wait. End of file counts as input. */
bool stream_readable(struct stream *s);
/* Throws away the buffered input. */
void stream_drop_input(struct stream *s);

/* Buffered: nothing is sent before stream_flush(), or 64 KiB. May wait when the buffer is full. */
enum stream_status stream_write(struct stream *s, const void *data, size_t n);
enum stream_status stream_puts(struct stream *s, const char *text);
enum stream_status stream_printf(struct stream *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Sends what is buffered, in as few writes as the kernel takes it. Waits. */
enum stream_status stream_flush(struct stream *s);

/* Bytes read from and written to the peer so far. */
uint64_t stream_bytes_in(const struct stream *s);
uint64_t stream_bytes_out(const struct stream *s);
int stream_errno(const struct stream *s);

/* A connected UNIX stream socket at PATH; NULL with errno (ETIMEDOUT included). Waits. */
struct stream *stream_connect_unix(const char *path, fiber_deadline deadline);

/*
 * Sends FD with the bytes now buffered (at least one; flushes). UNIX sockets only.
 * Receiving has to be allowed; descriptors are kept in the order they came, at most 4, the rest is
 * closed. stream_take_fd() hands over the first, the caller's to close, or -1.
 */
enum stream_status stream_send_fd(struct stream *s, int fd);
void stream_accept_fds(struct stream *s, bool on);
int stream_take_fd(struct stream *s);

#endif
