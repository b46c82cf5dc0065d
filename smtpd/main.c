/*
 * smtpd - receive mail by SMTP
 *
 * One fiber per client. Talks to strangers: runs as postnet, in a chroot that holds only sockets. It
 * cannot open the spool: content and envelope go to qmgr, which answers with a queue ID. Who exists is
 * asked of proxymap, how much a client does of anvil.
 *
 * Stand-alone (-S, for sendmail -bs) it talks to the user who started it, is not confined, and leaves
 * messages with postdrop as sendmail does.
 */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/route/route.h"
#include "lib/service/service.h"
#include "smtpd/access.h"
#include "smtpd/limits.h"
#include "smtpd/recipients.h"
#include "smtpd/server.h"
#include "smtpd/session.h"

/* All that this process keeps between sessions. */
static struct server server;

/* What main.cf says under stress. It was free of errors a moment ago; if not now, there is no stress. */
static void
read_stress_settings(void)
{
	struct conf_problems problems = {0};
	size_t n;
	const struct conf_override *given = service_overrides(&n);
	struct conf_override *overrides = mem_array(n + 1, sizeof(*overrides));
	struct conf *conf;

	for (size_t i = 0; i < n; i++)
		overrides[i] = given[i];
	overrides[n] = (struct conf_override){STR("stress"), STR("yes")};
	conf = conf_load(conf_dir(server.conf), overrides, n + 1, &problems);
	if (problems.errors == 0)
		server_init_stress(
		    &server, conf, (size_t)conf_int(server.conf, P_smtpd_session_limit));
	conf_problems_free(&problems);
	conf_free(&conf);
	free(overrides);
}

/* Reads what will be out of reach later: the time zone, and lists in files. */
static bool
smtpd_open_resources(void)
{
	struct buf why = {0};

	tzset();
	server_init(&server, conf_get());
	read_stress_settings();
	if (!route_prepare(server.conf, !service_standalone(), &why))
		log_warning("%s", buf_cstr(&why));
	server.access = access_new(server.conf);
	server.recipients = recipients_new(server.conf);
	buf_free(&why);
	return true;
}

static bool
anything_counted(const struct settings *st)
{
	return st->connections_max > 0 || st->connection_rate > 0 || st->message_rate > 0 ||
	    st->recipient_rate > 0;
}

static bool
smtpd_start(void)
{
	if (service_standalone()) {
		/* The caller of sendmail -bs expects nothing on standard error; without syslog it stays. */
		if (access("/dev/log", W_OK) == 0)
			log_to_syslog();
		/* What became of postdrop is to be known, whatever the caller ignores. */
		signal(SIGCHLD, SIG_DFL);
		server.stand_alone = true;
		server.sink = &sink_postdrop;
		server.sink_context = &server;
		return true;
	}
	server.sink = &sink_queue;
	server.sink_context = submit_pool_new("private/qmgr-net", "smtpd");
	if (anything_counted(&server.settings))
		server.counts = counts_new("private/anvil", service_name());
	return true;
}

static void
smtpd_session(struct service_client *client)
{
	struct session_peer peer;

	if (client->inet)
		peer_from_socket(&peer, &client->peer, server.settings.port_logging);
	else
		peer_local(&peer);
	session_run(&server, client->stream, &peer);
}

static const struct service smtpd_service = {
    .name = "smtpd",
    .sandbox = SANDBOX_NETWORK,
    .session_limit = P_smtpd_session_limit,
    .before_confinement = smtpd_open_resources,
    .start = smtpd_start,
    .session = smtpd_session,
};

int
main(int argc, char **argv)
{
	return service_run(&smtpd_service, argc, argv);
}
