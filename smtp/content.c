/*
 * content - see content.h
 */
#include "smtp/content.h"

#include "lib/base/log.h"
#include "lib/ipc/messages.h"

static bool
receive(struct content *c, struct str *piece)
{
	static const struct ipc_schema *const nothing[] = {NULL};
	struct ipc_message m;

	if (c->lost || c->left == 0)
		return false;
	if (ipc_recv(c->channel, c->arena, nothing, true, &m) != IPC_OK) {
		c->lost = true;
		return false;
	}
	if (m.content.len > c->left) {
		log_warning("more content than was announced");
		c->lost = true;
		return false;
	}
	c->left -= m.content.len;
	*piece = m.content;
	return true;
}

void
content_begin(struct content *c, struct ipc_channel *channel, struct arena *arena, uint64_t attempt,
    uint64_t size)
{
	struct str piece;

	*c = (struct content){
	    .channel = channel, .arena = arena, .attempt = attempt, .size = size, .left = size};
	if (size > CONTENT_KEPT)
		return;
	(void)buf_reserve(&c->kept, (size_t)size);
	while (receive(c, &piece))
		buf_str(&c->kept, piece);
	c->whole = !c->lost;
}

bool
content_rewind(struct content *c)
{
	c->shown = false;
	c->again = !c->whole && c->left < c->size;
	return !c->lost;
}

/* The queue manager is busy with the rest until that is read, and hears nothing else before. */
static bool
ask_again(struct content *c)
{
	const struct msg_agent_again again = {c->attempt};

	c->again = false;
	if (!content_skip(c))
		return false;
	c->lost = ipc_send(c->channel, &msg_agent_again, &again) != IPC_OK ||
	    ipc_flush(c->channel) != IPC_OK;
	c->left = c->size;
	return !c->lost;
}

bool
content_next(struct content *c, struct str *piece)
{
	if (!c->whole)
		return (!c->again || ask_again(c)) && receive(c, piece);
	if (c->shown || c->kept.len == 0)
		return false;
	c->shown = true;
	*piece = buf_view(&c->kept);
	return true;
}

bool
content_skip(struct content *c)
{
	struct str piece;

	while (receive(c, &piece))
		;
	return !c->lost;
}

void
content_free(struct content *c)
{
	buf_free(&c->kept);
}
