/*
 * mtasts - what other domains say of the TLS of their servers (MTA-STS, RFC 8461)
 *
 * smtp asks, and says which id the domain's TXT record has; here the policy is fetched by HTTPS, kept and
 * handed out. Talks to strangers: runs as postnet, confined; the one
 * file that it keeps policies in is opened before.
 */
#include "lib/base/log.h"
#include "lib/dns/dns.h"
#include "lib/fiber/fiber.h"
#include "lib/ipc/channel.h"
#include "lib/service/service.h"
#include "lib/service/watch.h"
#include "mtasts/fetch.h"
#include "mtasts/policies.h"
#include "mtasts/store.h"

#include <time.h>

/* Domains: some 10 MiB at most. */
#define DOMAINS_MAX 20000

static struct policies *policies;
static struct watch *watch; /* of files that were read for good */

static void
watch_all(void)
{
	watch = watch_new();
	watch_add(watch, fetch_file(conf_get()));
	for (size_t i = 0; dns_file(i); i++)
		watch_add(watch, dns_file(i));
}

static bool
mtasts_open_resources(void)
{
	struct buf why = {0};
	bool ok = dns_prepare(conf_get(), "smtp", &why) && fetch_prepare(conf_get(), &why);

	policies = policies_new(DOMAINS_MAX, fetch_policy, store_keep);
	store_open(conf_cstr(conf_get(), P_data_directory), policies);
	if (ok)
		watch_all();
	tzset();
	if (!ok)
		log_error("%s", buf_cstr(&why));
	buf_free(&why);
	return ok;
}

static void
watch_files(void *arg)
{
	const char *changed = watch_wait(watch);

	(void)arg;
	if (!changed)
		return;
	log_info("%s has changed: another process takes over", changed);
	service_retire("a file has changed");
}

static bool
mtasts_start(void)
{
	fiber_spawn("watch", watch_files, NULL);
	return true;
}

static bool
serve(struct ipc_channel *ch, struct arena *a)
{
	struct msg_sts_ask ask;
	struct msg_sts_answer answer;

	arena_reset(a);
	if (ipc_recv_one(ch, a, &msg_sts_ask, &ask) != IPC_OK)
		return false;
	policies_ask(policies, ask.domain, ask.id, a, &answer);
	return ipc_send(ch, &msg_sts_answer, &answer) == IPC_OK && ipc_flush(ch) == IPC_OK;
}

static void
mtasts_session(struct service_client *client)
{
	struct ipc_channel *ch = ipc_channel_new(client->stream, "mtasts", "mtasts client");
	struct arena *a = arena_new(0);

	client->stream = NULL;
	stream_timeout(ipc_stream(ch), 0); /* mail need not go out all the time */
	while (service_idle(client, true) && serve(ch, a))
		;
	arena_free(&a);
	ipc_channel_free(&ch);
}

static const struct service mtasts_service = {
    .name = "mtasts",
    .sandbox = SANDBOX_CLIENT,
    .session_limit = P_default_session_limit,
    .before_confinement = mtasts_open_resources,
    .start = mtasts_start,
    .session = mtasts_session,
};

int
main(int argc, char **argv)
{
	return service_run(&mtasts_service, argc, argv);
}
