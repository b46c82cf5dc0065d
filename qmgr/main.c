/*
 * qmgr - the queue manager
 *
 * Owns the spool: nobody else opens it. Receivers submit messages over a socket of their kind and are
 * answered when a message is on stable storage; delivery agents are sent envelope and content; results
 * become marks in the slot. Runs as mail_owner. Sees no network. What comes over its sockets is checked
 * as if a stranger had sent it, since the programs at the other end talk to strangers.
 */
#include <signal.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/fiber/fiber.h"
#include "lib/route/route.h"
#include "lib/service/service.h"
#include "lib/table/table_db.h"
#include "qmgr/admin.h"
#include "qmgr/agent.h"
#include "qmgr/dead.h"
#include "qmgr/destination.h"
#include "qmgr/flush.h"
#include "qmgr/message.h"
#include "qmgr/outage.h"
#include "qmgr/receive.h"
#include "qmgr/report.h"
#include "qmgr/schedule.h"
#include "qmgr/slots.h"
#include "qmgr/ticket.h"

#define DRAIN_MS 60000 /* for deliveries under way when the suite stops */

static bool
qmgr_before(void)
{
	struct buf why = {0};

	table_register_db();
	/* What a bad list concerns is deferred and says so; the rest of the mail goes on. */
	if (!route_prepare(conf_get(), false, &why))
		log_error("%s", buf_cstr(&why));
	buf_free(&why);
	/* A write beyond the limit on file sizes is an error like another, not an end. */
	signal(SIGXFSZ, SIG_IGN);
	message_prepare();
	transport_channels_take(transport_channels_read());
	fiber_pool_size(FIBER_POOL_SYNC, (unsigned)conf_int(conf_get(), P_qmgr_sync_threads));
	return true;
}

static bool
qmgr_start(void)
{
	struct buf why = {0};

	if (!slots_open(&why)) {
		log_error("%s", buf_cstr(&why));
		buf_free(&why);
		return false;
	}
	ticket_start();
	slots_start();
	receive_start();
	flush_init();
	agent_init();
	schedule_start();
	return true;
}

/* The path of the N-th socket of qmgr in the table; the first is the master.cf line's own. */
static const char *
own_endpoint(size_t n)
{
	for (const struct endpoint *e = endpoint_table; e->program; e++)
		if (strcmp(e->program, "qmgr") == 0 && --n == 0)
			return e->path;
	return "";
}

static void
receive_network(struct service_client *client)
{
	receive_session(client, RECEIVE_NETWORK);
}

static void
receive_local(struct service_client *client)
{
	receive_session(client, RECEIVE_LOCAL);
}

static void
receive_bounce(struct service_client *client)
{
	receive_session(client, RECEIVE_BOUNCE);
}

static const struct {
	const char *path;
	void (*session)(struct service_client *client);
} sessions[] = {
    {"private/qmgr-net", receive_network},
    {"private/qmgr-local", receive_local},
    {"private/qmgr-bounce", receive_bounce},
    {"private/qmgr-report", report_session},
    {"private/qmgr-admin", admin_session},
    {"public/showq", admin_showq_session},
    {"public/flush", admin_flush_session},
};

static void
qmgr_session(struct service_client *client)
{
	const char *path = own_endpoint(client->endpoint);

	for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++)
		if (strcmp(sessions[i].path, path) == 0) {
			sessions[i].session(client);
			return;
		}
	log_warning("connection to a socket that has no service: endpoint %zu", client->endpoint);
}

static void
qmgr_flush(void)
{
	flush_messages(&(struct msg_flush){.id = STR_EMPTY});
}

static void
qmgr_wakeup(void)
{
	schedule_wake();
}

static void
read_channels(void *arg)
{
	*(struct transport_channels **)arg = transport_channels_read();
}

static void
qmgr_reload(void)
{
	struct transport_channels *channels;

	fiber_offload(FIBER_POOL_READ, read_channels, &channels);
	transport_channels_take(channels);
	outage_retry_all();
	agent_let_go();
	dead_release_all();
	schedule_wake();
}

static void
qmgr_drain(void)
{
	fiber_deadline deadline = fiber_after(DRAIN_MS);

	/* A slot whose reading is broken off counts as one that ended qmgr. */
	while (message_loading() && fiber_now() < deadline)
		if (fiber_sleep(10) == FIBER_CANCELED)
			return;
	agent_drain(deadline);
}

static const struct service qmgr_service = {
    .name = "qmgr",
    .sandbox = SANDBOX_FILES,
    .session_limit = P_qmgr_session_limit,
    .before_confinement = qmgr_before,
    .start = qmgr_start,
    .session = qmgr_session,
    .wakeup = qmgr_wakeup,
    .flush = qmgr_flush,
    .reload = qmgr_reload,
    .drain = qmgr_drain,
};

int
main(int argc, char **argv)
{
	return service_run(&qmgr_service, argc, argv);
}
