/* due - a binary heap of slots by due time. See slots.h. */
#ifndef POSTKEEP_QMGR_DUE_H
#define POSTKEEP_QMGR_DUE_H

#include "qmgr/slots.h"

struct due {
	struct slot **heap; /* from index 1 on */
	size_t count, cap;
};

void due_put(struct due *d, struct slot *slot); /* or moves it, after slot->next has changed */
void due_remove(struct due *d, struct slot *slot);
struct slot *due_first(const struct due *d);
void due_shift(struct due *d, int64_t seconds); /* all of them, by that much later */

#endif
