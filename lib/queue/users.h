/*
 * users - who may submit, see or flush: authorized_submit_users and its like
 *
 * A list of login names, "!name", "static:anything" (everybody), and "/file" with names in it; the
 * first that fits decides, and who is not in the list is refused. No fibers: postdrop links this. May
 * block, in any thread.
 */
#ifndef POSTKEEP_QUEUE_USERS_H
#define POSTKEEP_QUEUE_USERS_H

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum users_answer {
	USERS_YES,
	USERS_NO,
	USERS_ERROR, /* the list cannot be read: WHY says what is wrong; not a "no" for ever */
};

enum users_answer users_allowed(struct str list, uid_t uid, struct buf *why);
/* The login name of UID appended to OUT, or "unknown". */
void users_name(uid_t uid, struct buf *out);

#endif
