/* why - the story of one message, from queue and log, for `postqueue --why` */
#ifndef POSTKEEP_ADMIN_WHY_H
#define POSTKEEP_ADMIN_WHY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/ipc/messages.h"

struct why;

/* Of the message ID. NOW: wall seconds. */
struct why *why_new(const char *id, int64_t now, FILE *out);
/* Sets *W to NULL; NULL is accepted. */
void why_free(struct why **w);

/*
 * What the log says, printed at once. FILE: an open one, left open, called NAME in words; NULL: maillog_file
 * and the usual places are tried, each with the file before it (".1").
 */
void why_log(struct why *w, FILE *file, const char *name);
/* A frame of the queue's answer; frames of the message follow each other. ARG is a struct why. */
void why_entry(const struct msg_showq_entry *entry, void *arg);
/* What comes next. False: neither queue nor log know the message. */
bool why_end(struct why *w);

#endif
