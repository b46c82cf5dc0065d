/*
 * output - where log lines end: syslog, a file, standard output
 *
 * maillog_file if it is set; else syslog if there is /dev/log; else a file all the same, so that what
 * the suite says is never lost: /var/log/mail.log, or mail.log in data_directory for an ordinary user.
 */
#ifndef POSTKEEP_POSTLOGD_OUTPUT_H
#define POSTKEEP_POSTLOGD_OUTPUT_H

#include <stdbool.h>

#include "lib/base/str.h"

/*
 * Opens what the configuration names, as root where that is needed; when that cannot be, what would be taken if it
 * named nothing. False: cannot write anywhere.
 */
bool output_open(void);
/* Does the configuration ask for another file than is open? */
bool output_moved(void);
/* Opens a file again whose name now means another one (rotation). FORCE: without waiting for a second to pass. */
void output_reopen(bool force);

/* One line, "postkeep/smtpd[4711]: text", of LEVEL (enum log_level). */
void output_line(int level, struct str line);
/* Writes what has gathered. */
void output_flush(void);

#endif
