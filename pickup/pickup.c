/*
 * pickup - takes local mail to qmgr
 *
 * Two ways in: postdrop connects to public/pickup and waits until its message is queued; what postdrop
 * has stored in maildrop/ while that was not possible is found at start and at each wakeup. Runs as
 * mail_work_user, which owns maildrop/; opens nothing else.
 */
#include <time.h>

#include "lib/service/service.h"
#include "pickup/message.h"
#include "pickup/session.h"

/* The time zone, for headers, while its files are in reach. */
static bool
before_confinement(void)
{
	tzset();
	return true;
}

static bool
start(void)
{
	message_start();
	maildrop_scan();
	return true;
}

static const struct service pickup_service = {
    .name = "pickup",
    .sandbox = SANDBOX_FILES,
    .session_limit = P_default_session_limit,
    .before_confinement = before_confinement,
    .start = start,
    .session = session_run,
    .wakeup = maildrop_scan,
    .flush = maildrop_scan,
    .drain = maildrop_stop,
};

int
main(int argc, char **argv)
{
	return service_run(&pickup_service, argc, argv);
}
