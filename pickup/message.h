/*
 * message - one local message on its way through intake to qmgr
 *
 * The same for what comes over the socket and for what lay in maildrop/. On a fiber.
 */
#ifndef POSTKEEP_PICKUP_MESSAGE_H
#define POSTKEEP_PICKUP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/str.h"
#include "lib/fiber/fiber.h"
#include "lib/ipc/messages.h"

/* The connections to qmgr. Once, at start. */
void message_start(void);

/* Why a message was not taken. */
struct message_no {
	int status; /* sysexits.h; EX_TEMPFAIL: try again later */
	char text[300];
};

struct message;

/*
 * Asks qmgr for a queue ID, until DEADLINE. UID is the submitter's by the kernel's word; ARRIVAL_US the
 * time of submission. NULL with *NO.
 */
struct message *message_begin(
    uid_t uid, int64_t arrival_us, fiber_deadline deadline, struct message_no *no);
struct str message_id(const struct message *m);
/*
 * Sender and recipients, in external form as they were given; copied. False: message_commit() (or
 * message_cancel()) ends it and tells.
 */
bool message_envelope(struct message *m, const struct msg_drop_begin *envelope,
    const struct msg_rcpt *rcpts, size_t n_rcpts);
/* Content in wire form. May wait. False as above. */
bool message_content(struct message *m, struct str chunk);
/* True when it is on stable storage. Ends M and sets it to NULL either way. */
bool message_commit(struct message **m, struct message_no *no);
/* Gives up; nothing stays behind. NULL is accepted. */
void message_cancel(struct message **m);

#endif
