/*
 * mtasts - what other domains say of the TLS of their servers (MTA-STS, RFC 8461)
 *
 * smtp asks, and says which id the domain's TXT record has; here the policy is fetched by HTTPS, kept and
 * handed out. Talks to strangers: runs as postnet, confined; the one
 * file that it keeps policies in is opened before.
 */
#include "lib/base/log.h"
#include "lib/dns/dns.h"
#include "lib/service/questions.h"
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

static bool
mtasts_start(void)
{
	watch_start(watch);
	return true;
}

static bool
answer(void *state, struct ipc_channel *ch, const void *question, struct arena *a)
{
	const struct msg_sts_ask *ask = question;
	struct msg_sts_answer answer;

	(void)state;
	policies_ask(policies, ask->domain, ask->id, a, &answer);
	return ipc_send(ch, &msg_sts_answer, &answer) == IPC_OK;
}

static void
mtasts_session(struct service_client *client)
{
	static const struct questions questions = {"mtasts", "mtasts client", &msg_sts_ask, answer};

	questions_serve(client, &questions, NULL);
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
