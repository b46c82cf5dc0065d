/*
 * order - what an administrator's order makes of a message: see order.h
 */
#include "lib/queue/order.h"

#include "lib/base/clock.h"

bool
order_mark(enum admin_verb verb, struct slot_mark *mark)
{
	switch (verb) {
	case ADMIN_HOLD:
		if (mark->state == SLOT_HOLD)
			return false;
		mark->state = SLOT_HOLD;
		return true;
	case ADMIN_RELEASE:
		if (mark->state != SLOT_HOLD)
			return false;
		break;
	case ADMIN_DELETE:
		mark->state = SLOT_FREE;
		return true;
	case ADMIN_EXPIRE:
		mark->expire = true;
		if (mark->state == SLOT_HOLD)
			return true; /* it stays there until it is released */
		break;
	case ADMIN_REQUEUE:
		mark->renewed = clock_wall();
		mark->expire = mark->warned = false;
		break;
	default:
		break;
	}
	mark->state = SLOT_QUEUED;
	mark->next = 0;
	return true;
}

const char *
order_done(enum admin_verb verb)
{
	static const char *const words[] = {
	    [ADMIN_HOLD] = "placed on hold",
	    [ADMIN_RELEASE] = "released from hold",
	    [ADMIN_DELETE] = "removed",
	    [ADMIN_REQUEUE] = "requeued",
	    [ADMIN_EXPIRE] = "expired",
	    [ADMIN_RETRY] = "to be tried again",
	};

	return words[verb];
}
