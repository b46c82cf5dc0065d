/*
 * standalone - one session on standard input and output, without master
 *
 * For "sendmail -bs", inetd and tests. Runs with the rights of whoever started it, unconfined.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/service/internal.h"

struct run {
	struct service_process *p;
	bool ok;
};

static void
describe(struct service_client *client)
{
	socklen_t peer = sizeof(client->peer), local = sizeof(client->local);

	client->uid = getuid();
	client->gid = getgid();
	client->pid = getppid();
	if (getpeername(STDIN_FILENO, (struct sockaddr *)&client->peer, &peer) == 0 &&
	    getsockname(STDIN_FILENO, (struct sockaddr *)&client->local, &local) == 0)
		client->inet =
		    client->peer.ss_family == AF_INET || client->peer.ss_family == AF_INET6;
}

static void
standalone_fiber(void *arg)
{
	struct run *run = arg;
	const struct service *service = run->p->service;
	struct service_client client = {0};

	if (service->start && !service->start())
		return;
	describe(&client);
	client.stream = stream_fd_pair(STDIN_FILENO, STDOUT_FILENO);
	service->session(&client);
	stream_close(&client.stream);
	if (service->drain)
		service->drain();
	run->ok = true;
}

int
service_run_standalone(struct service_process *p)
{
	struct run run = {.p = p};

	if (p->service->session == NULL)
		log_fatal("has no stand-alone mode");
	/* Sockets are named relative to it; without it the session cannot reach the suite, and says so. */
	if (chdir(conf_cstr(conf_get(), P_queue_directory)) != 0)
		log_warning("cannot enter %s", conf_cstr(conf_get(), P_queue_directory));
	fiber_at_turn_end(log_flush);
	fiber_main(standalone_fiber, &run);
	log_flush();
	return run.ok ? 0 : 1;
}
