/*
 * limits - how much one client may do
 *
 * Connections and rates are counted by anvil for all processes. When anvil does not answer, clients
 * are let in, which is said once; nobody is turned away for our own trouble.
 */
#ifndef POSTKEEP_SMTPD_LIMITS_H
#define POSTKEEP_SMTPD_LIMITS_H

#include <stdbool.h>

#include "smtpd/session.h"

/* SERVICE: the name in master.cf. Keeps one channel to PATH, used by all sessions. */
struct counts *counts_new(const char *path, const char *service);
void counts_free(struct counts **c);

/* Each is called where its event happens. False: too many; the reply has been given. May wait. */
bool limits_connect(struct session *s);
bool limits_mail(struct session *s);
bool limits_rcpt(struct session *s);
void limits_disconnect(struct session *s);

/*
 * After each command: GOOD as its handler said, JUNK when it does no work. False: the client made too
 * many errors (421); the reply has been given and the session ended.
 */
bool limits_command(struct session *s, bool good, bool junk);
/* A message was accepted: earlier errors are forgotten. */
void limits_forgive(struct session *s);

#endif
