/*
 * introduction - what qmgr says first on a channel: who it is, and which mailbox it wants
 *
 * The parent only looks at it (MSG_PEEK) and leaves it in the socket: the worker that the descriptor
 * goes to reads it again with all that follows.
 */
#ifndef POSTKEEP_LOCAL_INTRODUCTION_H
#define POSTKEEP_LOCAL_INTRODUCTION_H

#include <stdbool.h>

#include "lib/base/buf.h"

enum introduction {
	INTRODUCTION_COMPLETE,
	INTRODUCTION_PARTIAL, /* not all of it has arrived */
	INTRODUCTION_BAD,     /* not what qmgr says, or the peer is gone; WHY says what */
};

/* Does not wait. Complete: the destination replaces RECIPIENT. */
enum introduction introduction_peek(int fd, struct buf *recipient, struct buf *why);

/*
 * Answers agent_no instead of starting work, and reads what is in the socket so that closing it does
 * not throw the answer away. Does not wait.
 */
void introduction_refuse(int fd, const char *dsn, struct buf *text, bool busy);

#endif
