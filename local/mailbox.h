/*
 * mailbox - which file or directory a user's mail goes to
 */
#ifndef POSTKEEP_LOCAL_MAILBOX_H
#define POSTKEEP_LOCAL_MAILBOX_H

#include <stdbool.h>

#include "lib/conf/conf.h"
#include "local/user.h"

struct mailbox {
	bool maildir;  /* else mbox */
	bool in_spool; /* in mail_spool_directory, not in the home directory */
	char *base;    /* a directory that must exist */
	char *path;    /* below it */
};

/*
 * home_mailbox if it is set and AT_HOME allows it, else mail_spool_directory; a Maildir if the name
 * ends in "/". The caller frees MAILBOX.
 */
void mailbox_choose(
    const struct conf *conf, const struct local_user *user, bool at_home, struct mailbox *mailbox);
void mailbox_free(struct mailbox *mailbox);

#endif
