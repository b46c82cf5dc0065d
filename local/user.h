/*
 * user - whose mailbox a destination means
 */
#ifndef POSTKEEP_LOCAL_USER_H
#define POSTKEEP_LOCAL_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"

struct local_user {
	char *name, *home;
	uid_t uid;
	gid_t gid;
};

enum user_status {
	USER_FOUND,
	USER_UNKNOWN, /* the database was asked and has no such user */
	USER_TROUBLE, /* it could not be asked; WHY says why */
};

/*
 * Looks for the user that LOCAL, a local part, names: the whole of it, then without its extension;
 * postmaster, if there is no such user, is root. On USER_FOUND the caller frees USER.
 */
enum user_status user_find(
    const struct conf *conf, struct str local, struct local_user *user, struct buf *why);
void user_free(struct local_user *user);

/*
 * The group that USER needs besides the own one to make files in directory SPOOL, as Debian's
 * /var/mail (root:mail, 2775) wants it. False: none is needed, or none would help. Never root's group.
 */
bool user_spool_group(const char *spool, const struct local_user *user, gid_t *group);

#endif
