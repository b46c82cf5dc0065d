/*
 * questions - a session with a program of the suite that asks, is answered, and may ask again
 */
#ifndef POSTKEEP_SERVICE_QUESTIONS_H
#define POSTKEEP_SERVICE_QUESTIONS_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/ipc/channel.h"
#include "lib/service/service.h"

struct questions {
	const char *name, *peer; /* of ipc_channel_new() */
	const struct ipc_schema *schema;
	/*
	 * QUESTION: the message's struct, in A, which is emptied before the next one. Sends what there is to
	 * say on CH, which need not be flushed. False ends the session. STATE: what questions_serve() was given.
	 */
	bool (*answer)(void *state, struct ipc_channel *ch, const void *question, struct arena *a);
};

/*
 * Takes CLIENT's stream and answers what it asks, one question after the other, until it goes or this process
 * is about to end: a question that has arrived is answered before that. It may be silent for as long as it likes.
 */
void questions_serve(struct service_client *client, const struct questions *q, void *state);

#endif
