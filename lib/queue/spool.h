/*
 * spool - the slots on disk
 *
 * For qmgr, and for root's tools when qmgr is down: whoever opens the spool holds its lock. All
 * functions may block: qmgr calls them in worker threads, the marks excepted (a few bytes into the page
 * cache). They touch no shared state but what their arguments name.
 */
#ifndef POSTKEEP_QUEUE_SPOOL_H
#define POSTKEEP_QUEUE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mail/eight_bits.h"
#include "lib/queue/slot.h"

struct spool;

#define SPOOL_SLOTS_PER_DIR 1024
#define SPOOL_SLOTS_MAX 16777216u

/*
 * Opens QUEUE_DIRECTORY/slots (made with mode 0700 if it is missing, like corrupt/) and takes the lock.
 * NULL with WHY set; *BUSY tells that somebody else holds the lock.
 */
struct spool *spool_open(const char *queue_directory, bool *busy, struct buf *why);
void spool_close(struct spool **sp);

/* Calls EACH for every slot file there is, in no order. False with WHY on a read error. */
bool spool_each(
    struct spool *sp, void (*each)(uint32_t number, void *arg), void *arg, struct buf *why);

/* An open descriptor of the slot (read and write, close-on-exec), or -1 with errno. */
int spool_slot_open(struct spool *sp, uint32_t number);
/*
 * Makes COUNT slots from FIRST on, SIZE bytes of zeros each, all durable (files, then directory) when it
 * returns true. On failure those made are removed again.
 */
bool spool_make(struct spool *sp, uint32_t first, uint32_t count, size_t size, struct buf *why);
/* Removes the file; true also when there was none. */
bool spool_remove(struct spool *sp, uint32_t number);
/* Moves the file to corrupt/ID (or corrupt/slot-N-time when ID is empty). */
bool spool_set_aside(struct spool *sp, uint32_t number, const char *id, struct buf *why);
/* Makes durable all that was ever written to the spool, by whomever. False with errno. */
bool spool_sync(struct spool *sp);
/* Bytes and inodes free on the spool's file system; false with errno. */
bool spool_free_space(struct spool *sp, uint64_t *bytes, uint64_t *inodes);

enum spool_status {
	SPOOL_OK,
	SPOOL_FREE,     /* blank, or all done */
	SPOOL_DAMAGED,  /* set it aside; WHY says what is wrong */
	SPOOL_IO_ERROR, /* could not be read now; try again later */
};

/* What stands in a slot. */
struct spool_message {
	struct slot_header header;
	struct slot_mark mark;
	bool mark_valid;
	struct slot_envelope envelope;
	struct slot_rcpt_mark *marks;             /* header.rcpts of them */
	struct slot_reason reasons[SLOT_REASONS]; /* index 0 is reason 1 */
	struct eight_bits bits;                   /* of the content, when all of it has been read */
};

/* Header and state mark only; cheap. */
enum spool_status spool_peek(int fd, struct slot_header *h, struct slot_mark *m, bool *mark_valid);
/*
 * Header, marks, envelope and reasons; text lives in A. With VERIFY all of the content is read and the
 * sum compared; CONTENT, unless NULL, then gets the content if it is at most KEEP bytes.
 */
enum spool_status spool_load(int fd, bool verify, struct arena *a, struct spool_message *m,
    struct buf *content, size_t keep, struct buf *why);

/* How far the recipients of an envelope have been read. */
struct spool_cursor {
	uint64_t offset; /* of the next line in the envelope's text */
	uint32_t index;  /* of the recipient on it */
};
#define SPOOL_WHOLE_MAX 65536  /* bytes of an envelope that is read whole */
#define SPOOL_PIECE_RCPTS 1000 /* recipients that are read at a time */
/*
 * As spool_load(), but of an envelope of more than SPOOL_WHOLE_MAX bytes without its recipients (n_rcpts is
 * 0): *CURSOR is at the first of them. VERIFY reads all of it, piece by piece.
 */
enum spool_status spool_load_begin(int fd, bool verify, struct arena *a, struct spool_message *m,
    struct spool_cursor *cursor, struct buf *content, size_t keep, struct buf *why);
/*
 * The next recipients, at most MAX of them and of SPOOL_PIECE_RCPTS, from CURSOR on, which moves behind
 * them. *RCPTS (*N of them; 0 at the end) and their text live in A.
 */
enum spool_status spool_next_rcpts(int fd, const struct slot_header *h, struct spool_cursor *cursor,
    size_t max, struct arena *a, struct slot_rcpt **rcpts, size_t *n, struct buf *why);

/* A piece of the content: up to N bytes from OFFSET of it. -1 with errno. */
ssize_t spool_read_content(
    int fd, const struct slot_header *h, uint64_t offset, void *data, size_t n);

/* Marks: one pwrite each; false with errno. The caller syncs. */
bool spool_write_mark(int fd, const char *id, const struct slot_mark *m);
bool spool_write_rcpt_mark(int fd, const char *id, uint32_t index, const struct slot_rcpt_mark *m);
bool spool_write_reason(
    int fd, const struct slot_header *h, unsigned index, const struct slot_reason *r);

#endif
