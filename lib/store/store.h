/*
 * store - what the mailbox formats share: a message to be put away, and why it could not be
 *
 * All of lib/store blocks: on a fiber it is called through fiber_offload(). It logs nothing; a failure
 * is told in a struct store_problem. It works with the rights of the process, which is to be the
 * mailbox's user already, and follows no path that somebody else could have bent.
 */
#ifndef POSTKEEP_STORE_STORE_H
#define POSTKEEP_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* Why something did not work. Ready when zeroed; free WHY. */
struct store_problem {
	const char *dsn; /* a constant, always "4.…": what fails here may work later */
	struct buf why;
};

/*
 * Sets P: FORMAT and, when ERROR is not 0, what errno value ERROR means. The status code follows from
 * ERROR: no quota 4.2.2, no space 4.3.1, the disk 4.3.0, everything else 4.2.0. Returns false always.
 */
bool store_problem(struct store_problem *p, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void store_problem_copy(struct store_problem *to, const struct store_problem *from);

/* A message as it is put away. Line ends are LF. */
struct store_message {
	struct str envelope; /* "From sender  date\n": mbox; else empty */
	struct str head;     /* header lines to put in front */
	struct str body;     /* the message, when it is in memory */
	int fd;              /* else: SIZE bytes at AT of FD; -1 when it is in memory */
	off_t at;
	uint64_t size;
};

/*
 * Appends the header lines that delivery adds, in Postfix's order: Return-Path, X-Original-To (unless
 * ORIG is empty), Delivered-To. Addresses are in external form, "" for the null sender.
 */
void store_head(struct str sender, struct str orig, struct str recipient, struct buf *out);
/* Appends "From sender  date\n"; the null sender is MAILER-DAEMON. */
void store_envelope(struct str sender, time_t when, struct buf *out);

/*
 * Has MESSAGE (from its beginning, LF or CRLF line ends) a Delivered-To: with this address in its
 * header? Case does not count.
 */
bool store_was_delivered_to(struct str message, struct str recipient);

#endif
