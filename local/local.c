/*
 * local - delivers to the mailboxes of the system's users
 *
 * A parent that stays root and does next to nothing (parent.c), and a worker for each mailbox that there
 * is work for, which is that user for good (worker.c). Talks to qmgr, and to nobody else. Writes no
 * line about a delivery: qmgr does, with the results it is sent.
 */
#include "lib/service/service.h"
#include "local/parent.h"

static const struct service local_service = {
    .name = "local",
    .sandbox = SANDBOX_NONE,
    .session_limit = P_default_process_limit,
    .parent = parent_run,
};

int
main(int argc, char **argv)
{
	return service_run(&local_service, argc, argv);
}
