/*
 * anvil - how many connections, messages and recipients per client
 *
 * Counts for all smtpd processes; decides nothing. Confined, keeps everything in memory, and trusts its
 * callers as far as the numbers go. What an smtpd reported as connected is gone with its channel, so a
 * killed process leaves no counts behind. Every event is answered by the client's counts, but a
 * disconnect, which is only taken note of.
 */
#include <time.h>

#include "anvil/clients.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/fiber/fiber.h"
#include "lib/ipc/messages.h"
#include "lib/service/questions.h"

/* Clients known at the same time: some 20 MiB. */
#define CLIENTS_MAX 100000
#define MS 1000

static struct {
	struct clients *clients;
	int64_t unit_ms;   /* anvil_rate_time_unit */
	int64_t report_ms; /* anvil_status_update_time */
} anvil;

static void
anvil_configure(void)
{
	anvil.unit_ms = conf_time(conf_get(), P_anvil_rate_time_unit) * MS;
	anvil.report_ms = conf_time(conf_get(), P_anvil_status_update_time) * MS;
}

static void
report(void)
{
	struct buf text = {0};
	struct str rest, line;

	clients_statistics(anvil.clients, anvil.unit_ms, &text);
	rest = buf_view(&text);
	while (str_token(&rest, "\n", &line))
		log_info("statistics: %.*s", STR_ARG(line));
	buf_free(&text);
}

/* Forgets clients as their time passes. */
static void
expire_loop(void *arg)
{
	(void)arg;
	while (fiber_sleep(anvil.unit_ms) != FIBER_CANCELED)
		clients_expire(anvil.clients, fiber_now(), anvil.unit_ms);
}

static void
report_loop(void *arg)
{
	(void)arg;
	while (fiber_sleep(anvil.report_ms) != FIBER_CANCELED)
		report();
}

/* The time zone, for the dates of statistics, is out of reach later. */
static bool
anvil_open_resources(void)
{
	tzset();
	return true;
}

static bool
anvil_start(void)
{
	anvil_configure();
	anvil.clients = clients_new(CLIENTS_MAX);
	fiber_spawn("expire", expire_loop, NULL);
	fiber_spawn("report", report_loop, NULL);
	return true;
}

static bool
answer(void *state, struct ipc_channel *ch, const void *question, struct arena *a)
{
	const struct msg_anvil *event = question;
	struct msg_anvil_count count;

	(void)a;
	reporter_event(state, event, fiber_now(), anvil.unit_ms, &count);
	return event->event == ANVIL_DISCONNECT || ipc_send(ch, &msg_anvil_count, &count) == IPC_OK;
}

static void
anvil_session(struct service_client *client)
{
	static const struct questions questions = {"anvil", "anvil client", &msg_anvil, answer};
	struct reporter *r = reporter_new(anvil.clients);

	questions_serve(client, &questions, r);
	reporter_free(&r);
}

static const struct service anvil_service = {
    .name = "anvil",
    .sandbox = SANDBOX_CLOSED,
    .session_limit = P_default_session_limit,
    .before_confinement = anvil_open_resources,
    .start = anvil_start,
    .session = anvil_session,
    .reload = anvil_configure,
    .drain = report,
};

int
main(int argc, char **argv)
{
	return service_run(&anvil_service, argc, argv);
}
