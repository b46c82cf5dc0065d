/*
 * run - a daemon's life, from main() to its end
 *
 * The order of service_run() is the point of this file: everything that needs rights comes before
 * service_confine(), everything that touches strangers after it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/internal.h"

#define WATCHDOG_WARN_MS 100 /* a turn this long is worth a line in the log */
#define WATCHDOG_ABORT_S 300 /* and one this long will not end any more */

static struct service_process process;

struct service_process *
service_process(void)
{
	return &process;
}

struct life {
	struct service_process *p;
	bool ok;
};

static void
first_fiber(void *arg)
{
	struct life *life = arg;
	struct service_process *p = life->p;

	if (p->service->start && !p->service->start())
		return;
	service_housekeeping(p);
	service_status_start(p);
	service_listen(p);
	p->ready = true;
	service_wait_end(p);
	life->ok = true;
}

static int
run_fibers(struct service_process *p)
{
	struct life life = {.p = p};

	service_defer_log(p);
	fiber_watchdog(WATCHDOG_WARN_MS, WATCHDOG_ABORT_S);
	fiber_at_turn_end(log_flush);
	fiber_at_turn_end(service_status_report);
	fiber_main(first_fiber, &life);
	log_flush();
	return life.ok ? 0 : 1;
}

static int
run_parent(struct service_process *p)
{
	const struct service_status ready = {.free = p->limit, .ready = true};
	int *fds = mem_array(p->args.n_endpoints, sizeof(int));
	int status;

	for (size_t i = 0; i < p->args.n_endpoints; i++)
		fds[i] = p->args.endpoints[i].fd;
	service_parent_report(&ready);
	status = p->service->parent(fds, p->args.n_endpoints);
	free(fds);
	return status;
}

static void
look_up_identities(struct service_process *p)
{
	struct buf why = {0};

	if (!service_ids_load(conf_get(), &p->ids, &why))
		log_fatal("%s", buf_cstr(&why));
	buf_free(&why);
}

int
service_run(const struct service *service, int argc, char **argv)
{
	struct service_process *p = &process;

	p->service = service;
	p->program = program_find(service->name);
	if (p->program == NULL)
		log_panic("%s is not in the table of programs", service->name);
	list_init(&p->open);
	fiber_waitq_init(&p->room);
	fiber_waitq_init(&p->ended);
	fiber_waitq_init(&p->attention);
	log_name("postkeep", service->name);

	/* Once for what is wrong with the arguments, and again when they are known. */
	service_open_log(p);
	service_parse_arguments(p, argc, argv);
	service_open_log(p);
	service_load_configuration(p);
	look_up_identities(p);
	if (service->before_confinement && !service->before_confinement())
		return 1;
	if (p->args.standalone)
		return service_run_standalone(p);
	service_confine(p);
	return service_sandbox_exit(service->parent ? run_parent(p) : run_fibers(p));
}
