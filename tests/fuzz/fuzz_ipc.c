/*
 * fuzz_ipc - frames from a peer that may be anybody
 *
 * The first byte chooses: one message's body, unpacked by its schema and packed again (which must give
 * the same bytes), or all that a channel receives.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
one_message(const struct ipc_schema *schema, struct str data)
{
	struct arena *a = arena_new(0);
	void *message = arena_alloc(a, schema->size);
	struct buf again = {0}, why = {0};

	if (ipc_unpack(schema, data, a, message, &why)) {
		if (!ipc_pack(schema, message, &again, &why) || !str_eq(buf_view(&again), data) ||
		    ipc_packed_size(schema, message) != data.len)
			abort();
	} else if (why.len == 0) {
		abort();
	}
	buf_free(&again);
	buf_free(&why);
	arena_free(&a);
}

static void
whole_channel(void *arg)
{
	const struct str *input = arg;
	struct ipc_channel *ch = ipc_channel_new(stream_memory(*input, NULL), "fuzz", "peer");
	struct arena *a = arena_new(0);
	struct ipc_message m;
	size_t bytes = 0;

	while (ipc_recv(ch, a, msg_all, true, &m) == IPC_OK) {
		/* Each round takes at least a byte, or the receiver could be kept busy for nothing. */
		if (m.schema == NULL && m.content.len == 0)
			abort();
		bytes += m.schema ? 1 : m.content.len;
		if (bytes > input->len)
			abort();
	}
	ipc_channel_free(&ch);
	arena_free(&a);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int log = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)argc;
	(void)argv;
	if (log >= 0)
		log_to_socket(log, false);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest;
	size_t n = 0;

	if (size == 0)
		return 0;
	rest = str_n(data + 1, size - 1);
	while (msg_all[n])
		n++;
	if (data[0] < n)
		one_message(msg_all[data[0]], rest);
	else
		fiber_main(whole_channel, &rest);
	return 0;
}
