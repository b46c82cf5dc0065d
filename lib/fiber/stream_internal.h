/* stream_internal - what the files of the stream share; nobody outside lib/fiber includes it */
#ifndef POSTKEEP_FIBER_STREAM_INTERNAL_H
#define POSTKEEP_FIBER_STREAM_INTERNAL_H

#include "lib/fiber/stream.h"

#pragma GCC visibility push(hidden)

/* The two sizes of buffers. The large one holds a frame of 64 KiB with its head. */
#define STREAM_SMALL ((size_t)8192)
#define STREAM_LARGE ((size_t)65536 + 64)

/* Descriptors that came and wait for stream_take_fd(). */
#define STREAM_FDS_MAX 4

struct stream {
	const struct stream_io *io; /* the top layer; the base where no other was put */
	void *ctx;
	const struct stream_io *base; /* descriptor or memory */

	char *in; /* from the pool, or NULL: in_start = in_end = 0 */
	size_t in_cap, in_start, in_end;
	size_t in_scanned; /* bytes from in_start that hold no line end */
	enum stream_status in_status;
	bool in_more;    /* the last read filled the room it had: there may be more */
	unsigned streak; /* reads and writes since the last wait, counted as of small buffers */

	char *out; /* from the pool, or NULL: out_start = out_end = 0 */
	size_t out_cap, out_start, out_end;
	enum stream_status out_status;

	int error;
	int64_t timeout;
	fiber_deadline deadline;
	uint64_t bytes_in, bytes_out;

	int fd_in, fd_out;       /* -1: memory */
	int flags_in, flags_out; /* to be put back by close; -1: nothing to do */
	bool owned;              /* close closes the descriptor */
	bool accept_fds;
	unsigned fd_count;
	int fds[STREAM_FDS_MAX];
	struct fiber_fd *wait_in, *wait_out; /* made at the first wait; may be one */

	struct str memory_in; /* what is left of it */
	struct buf *memory_out;
};

/* stream.c */
struct stream *stream_new(const struct stream_io *base);
/* *UNTIL: the deadline of the whole operation, set when it is 0. */
enum stream_status stream_wait_for(struct stream *s, int events, fiber_deadline *until);
/* Before a read or write: a peer that is always ready must not keep the other fibers from their turn. */
void stream_breathe(struct stream *s);

/* stream_pool.c: buffers of one of the two sizes, uninitialized */
char *stream_pool_get(size_t size);
void stream_pool_put(char *data, size_t size);
void stream_pool_trim(void);

/* stream_in.c, stream_out.c */
void stream_release_input(struct stream *s);
void stream_release_output(struct stream *s);

#pragma GCC visibility pop

#endif
