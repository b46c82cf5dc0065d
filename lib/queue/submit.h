/*
 * submit - hand a message to qmgr
 *
 * Used by what receives mail (smtpd, pickup, bounce), on a fiber. Connections to qmgr are kept in a
 * pool and used again; a message has one to itself from submit_begin() to its end.
 *
 *	s = submit_begin(pool, size_hint, deadline, &no)      an ID, or why not
 *	submit_envelope(s, &envelope, recipients, n)
 *	submit_content(s, chunk)…                             may wait
 *	submit_commit(&s, …)                                  durable when it returns true
 *	submit_cancel(&s)                                     nothing stays behind
 */
#ifndef POSTKEEP_QUEUE_SUBMIT_H
#define POSTKEEP_QUEUE_SUBMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/fiber/fiber.h"
#include "lib/ipc/messages.h"

/* PATH: the socket, "private/qmgr-net"; NAME: the program. Idle connections are closed after a while. */
struct submit_pool *submit_pool_new(const char *path, const char *name);
void submit_pool_free(struct submit_pool **pool);

/* Why it was not taken, as an SMTP answer: 451 4.3.0 when qmgr is away or stopped answering. */
struct submit_refusal {
	unsigned code; /* 451, 452, 552, 554 */
	char dsn[12];
	char text[256];
};

struct submit;

/*
 * Asks for a queue ID. Waits for qmgr until DEADLINE at the most (a stopped qmgr is waited for: it may
 * be on its way back). NULL with *NO filled in.
 */
struct submit *submit_begin(struct submit_pool *pool, uint64_t size_hint, fiber_deadline deadline,
    struct submit_refusal *no);
struct str submit_id(const struct submit *s);

/* Once, before the content. False: the connection is lost or qmgr refused (submit_commit tells). */
bool submit_envelope(struct submit *s, const struct msg_submit_envelope *envelope,
    const struct msg_rcpt *rcpts, size_t n);
/* A piece of content in wire form (CRLF, dots undone). Waits when qmgr is slow. */
bool submit_content(struct submit *s, struct str chunk);

/*
 * All content has been given. True: the message is on stable storage. False: *NO says why; it is not
 * in the queue, or (connection lost after all was sent) nobody knows: answer 451, never submit again
 * silently. Ends S and sets it to NULL either way.
 */
bool submit_commit(struct submit **s, struct submit_refusal *no);
/* Gives up. NULL is accepted. */
void submit_cancel(struct submit **s);
/*
 * Asks qmgr to make due what waits for the domain SITE (ETRN). False: it could not be asked, or cannot now;
 * *ALLOWED tells whether it may be asked for at all.
 */
bool submit_flush(
    struct submit_pool *pool, struct str site, fiber_deadline deadline, bool *allowed);

#endif
