/*
 * mbox - appending messages to a mailbox file
 *
 * The form is "mboxo": a From_ line before each message, ">" put before body and header lines that
 * begin with "From ", an empty line after. The file is locked as configured, and left as it was when
 * anything goes wrong. Several messages may be appended under one lock, made durable by one sync.
 *
 * Used by one thread at a time.
 */
#ifndef POSTKEEP_STORE_MBOX_H
#define POSTKEEP_STORE_MBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/store/store.h"

struct mbox;

enum mbox_lock {
	MBOX_LOCK_FCNTL = 1,
	MBOX_LOCK_FLOCK = 2,
	MBOX_LOCK_DOTLOCK = 4, /* FILE.lock */
};

struct mbox_options {
	const char *base;    /* directory that must exist */
	const char *path;    /* of the file, relative to it; missing directories are made */
	uid_t owner;         /* the user this process is */
	unsigned locks;      /* enum mbox_lock bits */
	int64_t stale;       /* seconds after which a FILE.lock is nobody's */
	uint64_t size_limit; /* of the mailbox in bytes, 0 = none */
	bool any_owner;      /* deliver even if the file belongs to somebody else */
};

enum mbox_status {
	MBOX_OK,
	MBOX_BUSY, /* somebody else has the lock: try again after a while; P says which lock */
	MBOX_FAILED,
};

/* The texts are copied. Touches nothing yet. */
struct mbox *mbox_new(const struct mbox_options *options);
/* Unlocks if need be. */
void mbox_free(struct mbox **m);

/* Would a message be taken? Creates nothing. */
bool mbox_check(struct mbox *m, struct store_problem *p);

/*
 * Opens the mailbox, creating it with mode 0600 if it is missing, and locks it; does not wait. A file
 * that is no regular file, has a second link or belongs to somebody else fails.
 */
enum mbox_status mbox_lock(struct mbox *m, struct store_problem *p);
/* Appends one message. False: the mailbox is what it was before the call. */
bool mbox_append(struct mbox *m, const struct store_message *message, struct store_problem *p);
/* Makes durable what was appended. False: the mailbox is what it was when it was locked. */
bool mbox_commit(struct mbox *m, struct store_problem *p);
void mbox_unlock(struct mbox *m);

#endif
