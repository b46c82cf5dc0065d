/*
 * service - see service.h
 *
 * Talks to servers that may be anybody's: runs as postnet, confined, and keeps nothing. What it needs of
 * files is read before.
 */
#include "smtp/service.h"

#include <time.h>

#include "lib/base/log.h"
#include "lib/service/service.h"
#include "smtp/client.h"
#include "smtp/connect.h"
#include "smtp/session.h"

static struct client client;

static bool
open_resources(bool lmtp)
{
	struct buf why = {0};
	bool ok = client_prepare(&client, conf_get(), lmtp, &why);

	tzset();
	if (!ok)
		log_error("%s", buf_cstr(&why));
	buf_free(&why);
	return ok;
}

static bool
open_for_smtp(void)
{
	return open_resources(false);
}

static bool
open_for_lmtp(void)
{
	return open_resources(true);
}

static bool
start(void)
{
	client.cache = cache_new();
	client.connect = connect_to;
	return true;
}

static bool
idle(void *arg, bool is_idle)
{
	return service_idle(arg, is_idle);
}

static void
serve(struct service_client *from)
{
	struct stream *stream = from->stream;

	from->stream = NULL;
	session_serve(&client, stream, idle, from);
}

static void
drain(void)
{
	cache_clear(client.cache);
}

int
client_main(bool lmtp, int argc, char **argv)
{
	const struct service service = {
	    .name = lmtp ? "lmtp" : "smtp",
	    .sandbox = SANDBOX_CLIENT,
	    .session_limit = P_default_session_limit,
	    .before_confinement = lmtp ? open_for_lmtp : open_for_smtp,
	    .start = start,
	    .session = serve,
	    .drain = drain,
	};

	return service_run(&service, argc, argv);
}
