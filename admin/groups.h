/*
 * groups - the queue summed up by destination or by reason: what is stuck, where, and why
 *
 * Entries of the listing go in one after the other and are not kept: memory grows with the number of groups,
 * which is bounded, and not with the queue.
 */
#ifndef POSTKEEP_ADMIN_GROUPS_H
#define POSTKEEP_ADMIN_GROUPS_H

#include <stdint.h>
#include <stdio.h>

#include "lib/ipc/messages.h"

enum group_by {
	GROUP_DESTINATION, /* the domain of the recipient */
	GROUP_REASON, /* what the dictionary of replies makes of it, else the text without its details */
};

struct groups;

struct groups *groups_new(enum group_by by);
/* Sets *G to NULL; NULL is accepted. */
void groups_free(struct groups **g);
/* A frame of the listing; frames of one message follow each other. */
void groups_entry(struct groups *g, const struct msg_showq_entry *entry);
/* The table, the largest group first. NOW: wall seconds. */
void groups_print(const struct groups *g, bool hidden, int64_t now, FILE *out);

#endif
