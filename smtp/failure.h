/*
 * failure - why a recipient was not served, in the words of log, queue and notices
 *
 * All text lives in the arena that is given, that of the delivery.
 */
#ifndef POSTKEEP_SMTP_CLIENT_FAILURE_H
#define POSTKEEP_SMTP_CLIENT_FAILURE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/smtp/reply.h"

struct connection;

struct failure {
	bool hard;        /* bounced; else another server, and then another time */
	bool unreachable; /* nothing was said of the message: the destination is to blame */
	bool own_mx;      /* the best MX host is this machine */
	bool said;        /* in the log */
	struct str dsn;
	struct str text;
	struct str diagnostic; /* "smtp; 550 …"; empty when no server said it */
	struct str remote_mta; /* "dns; host" */
	struct str relay;      /* "host[address]:port", "none" */
};

/*
 * A server has said no (C->reply) to COMMAND: "RCPT TO command"; NULL: it refused to talk at all. 4xx and
 * what is no sensible answer are not hard.
 */
void failure_by_reply(
    struct failure *f, struct arena *a, const struct connection *c, const char *command);
/* The conversation ended while ACTION was done: "sending RCPT TO". */
void failure_by_loss(
    struct failure *f, struct arena *a, const struct connection *c, const char *action);
/* Our own words. C may be NULL. The class of DSN decides whether it is hard. */
void failure_local(struct failure *f, struct arena *a, const struct connection *c, const char *dsn,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
