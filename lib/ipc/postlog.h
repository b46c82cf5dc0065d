/*
 * postlog - the log of the suite, for programs that are not started by master
 *
 * sendmail, postdrop and the administrator's tools log where the suite does: to postlogd while it runs,
 * else to syslog. No fibers: postdrop links this.
 */
#ifndef POSTKEEP_IPC_POSTLOG_H
#define POSTKEEP_IPC_POSTLOG_H

#include <stdbool.h>

#include "lib/base/str.h"
#include "lib/conf/conf.h"

/* A connected socket to postlogd at QUEUE_DIRECTORY ("." when that is the working directory); -1, errno. */
int postlog_connect(const char *queue_directory);
/* From now on log_…() goes to postlogd, or to syslog when it does not run. */
void postlog_use(const char *queue_directory);

/* May root open PATH as log file: does it stand below one of maillog_file_prefixes? */
bool postlog_file_allowed(const struct conf *c, struct str path);

#endif
