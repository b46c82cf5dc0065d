/*
 * tree - the directories of a suite: owner, group and mode of each, and their repair
 *
 *	queue_directory        root      root      0755
 *	  pid                  root      root      0755   master's lock: anyone may see who runs
 *	  private              root      root      0711   sockets of the suite; their own modes and the
 *	                                                  peer's uid say who may connect
 *	  public               root      root      0755   sockets for everybody: showq, flush, postlog;
 *	                                                  pickup's is for the group postdrop alone
 *	  jail/PROGRAM/…       root      root      0755   chroots: hard links to the peers' sockets
 *	  slots, corrupt       mail_owner          0700   the queue, qmgr's alone
 *	  maildrop             mail_work_user : setgid_group  1730   postdrop adds, pickup removes
 *	command_directory/postdrop   root : setgid_group  2755
 *
 * Nobody but root can write where root looks for sockets and locks. In a suite of an ordinary user
 * everything is that user's, and the last line does not apply.
 */
#ifndef POSTKEEP_SERVICE_TREE_H
#define POSTKEEP_SERVICE_TREE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/conf/conf.h"
#include "lib/service/endpoint.h"

/*
 * As service_ids_load(), but everything that is missing or unsafe goes to PROBLEMS, with its line of
 * main.cf. False when there was such a problem.
 */
bool tree_users(const struct conf *c, struct service_ids *ids, struct conf_problems *problems);

enum tree_mode {
	TREE_CHECK,  /* what is wrong goes to PROBLEMS */
	TREE_START,  /* master: makes what is missing of what is master's; the rest as TREE_CHECK */
	TREE_REPAIR, /* makes and corrects everything */
};

/*
 * Walks the table. SAY, unless NULL, is told each thing that was changed. Symbolic links are never
 * followed inside queue_directory. False when something is wrong and was not repaired.
 */
bool tree_walk(const struct conf *c, const struct service_ids *ids, enum tree_mode mode,
    struct conf_problems *problems, void (*say)(const char *text));

#endif
