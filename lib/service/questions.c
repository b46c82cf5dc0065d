#include "lib/service/questions.h"

static bool
serve_one(struct service_client *client, struct ipc_channel *ch, const struct questions *q,
    struct arena *a, void *state)
{
	const struct ipc_schema *const accept[] = {q->schema, NULL};
	struct ipc_message m;

	arena_reset(a);
	if (!service_idle(client, true) || ipc_recv(ch, a, accept, false, &m) != IPC_OK)
		return false;
	service_idle(client, false);
	return q->answer(state, ch, m.body, a) && ipc_flush(ch) == IPC_OK;
}

void
questions_serve(struct service_client *client, const struct questions *q, void *state)
{
	struct ipc_channel *ch = ipc_channel_new(client->stream, q->name, q->peer);
	struct arena *a = arena_new(0);

	client->stream = NULL;
	stream_timeout(ipc_stream(ch), 0);
	while (serve_one(client, ch, q, a, state))
		;
	arena_free(&a);
	ipc_channel_free(&ch);
}
