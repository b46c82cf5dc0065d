/*
 * control - what postkeep asks of a running master, over private/master in queue_directory
 *
 * Only the suite's own user (root) can connect. One request is one packet of a SOCK_SEQPACKET
 * connection: a word of the list below. The answer is any number of packets with a line of text for
 * people each, then one packet "=0" (done) or "=1" (not done); then the connection ends.
 */
#ifndef POSTKEEP_SERVICE_CONTROL_H
#define POSTKEEP_SERVICE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

#define CONTROL_PATH "private/master"
#define CONTROL_PACKET_MAX 4096

#define CONTROL_RELOAD "reload"        /* the problems, if any; "=1" when nothing was changed */
#define CONTROL_STATUS "status"        /* a line per service */
#define CONTROL_FLUSH "flush"          /* the queue manager tries everything now */
#define CONTROL_LOG_REOPEN "logrotate" /* the log writer opens its file again */

enum control_result {
	CONTROL_DONE,
	CONTROL_REFUSED,   /* "=1" */
	CONTROL_NO_ANSWER, /* nobody there, or the connection broke: WHY */
};

/* Asks the master of QUEUE_DIRECTORY; SAY gets each line of the answer. Waits up to 60 s. */
enum control_result control_ask(const char *queue_directory, const char *request,
    void (*say)(const char *line), struct buf *why);

#endif
