/*
 * access - policy: who may do what
 *
 * Each stage of a session is a list of restrictions, run in order until one decides. A restriction
 * says yes, no, or nothing; a "no" comes with its reply. What could not be looked up is a "not now"
 * (451), never a 5xx.
 */
#ifndef POSTKEEP_SMTPD_ACCESS_H
#define POSTKEEP_SMTPD_ACCESS_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/conf/conf.h"
#include "lib/mail/address.h"
#include "smtpd/session.h"

/*
 * Compiles the lists, before confinement. One that makes no sense is logged: with it nobody is an exception, and
 * whether a client is in mynetworks is not known (451 where it matters).
 */
struct access *access_new(const struct conf *conf);
void access_free(struct access **a);

/* What the lists say of the client, once: fills in s->mynetworks, rewrites, unlimited, newlines_excepted, verp. */
void access_client(struct session *s);

/*
 * May mail go to RECIPIENT (complete) in this session? SHOWN: as the client wrote it. False: the reply
 * has been given and logged. Waits for look-ups.
 */
bool access_recipient(struct session *s, const struct mail_address *recipient, struct str shown);

/* smtpd_forbidden_commands: is VERB one that ends a session? */
bool access_forbidden_command(const struct access *a, struct str verb);

#endif
