/*
 * maildrop - messages that wait in maildrop/ for pickup
 *
 * For those who may open that directory: root and mail_work_user. Who may not sees nothing there.
 */
#ifndef POSTKEEP_ADMIN_MAILDROP_H
#define POSTKEEP_ADMIN_MAILDROP_H

#include <stddef.h>

#include "lib/ipc/messages.h"

/* Shows each complete message, oldest first, under the name of its file, in the state "maildrop". */
void maildrop_list(void (*show)(const struct msg_showq_entry *entry, void *arg), void *arg);
/* Removes files that were never completed and are a day old. Their number. */
size_t maildrop_purge(void);

#endif
