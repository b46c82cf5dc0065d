/* mailbox - which file or directory a user's mail goes to: see mailbox.h */
#include "local/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

static bool
ends_in_slash(struct str s)
{
	return s.len > 0 && s.data[s.len - 1] == '/';
}

void
mailbox_choose(
    const struct conf *conf, const struct local_user *user, bool at_home, struct mailbox *mailbox)
{
	struct str home_mailbox = conf_str(conf, P_home_mailbox);
	struct str spool = conf_str(conf, P_mail_spool_directory);

	memset(mailbox, 0, sizeof(*mailbox));
	if (at_home && home_mailbox.len > 0) {
		mailbox->maildir = ends_in_slash(home_mailbox);
		mailbox->base = mem_strdup(user->home);
		mailbox->path = str_dup(home_mailbox);
		return;
	}
	mailbox->in_spool = true;
	mailbox->maildir = ends_in_slash(spool);
	while (spool.len > 1 && ends_in_slash(spool))
		spool.len--;
	mailbox->base = str_dup(spool);
	mailbox->path = mem_strdup(user->name);
}

void
mailbox_free(struct mailbox *mailbox)
{
	free(mailbox->base);
	free(mailbox->path);
	memset(mailbox, 0, sizeof(*mailbox));
}
