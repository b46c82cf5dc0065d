/* about - what a program may ask of its skeleton, and a worker's loop. */
#include "lib/base/log.h"
#include "lib/service/internal.h"

const char *
service_name(void)
{
	return service_process()->args.name;
}

const struct conf_override *
service_overrides(size_t *n)
{
	*n = service_process()->args.n_overrides;
	return service_process()->args.overrides;
}

bool
service_unprivileged(void)
{
	return service_process()->ids.unprivileged;
}

bool
service_standalone(void)
{
	return service_process()->args.standalone;
}

unsigned
service_maxproc(void)
{
	return service_process()->args.maxproc;
}

const struct service_ids *
service_identities(void)
{
	return &service_process()->ids;
}

bool
service_leaving(void)
{
	return service_process()->leaving;
}

bool
service_stopping(void)
{
	return service_process()->stopping;
}

void
service_worker(void (*fn)(void *arg), void *arg)
{
	service_defer_log(service_process());
	fiber_at_turn_end(log_flush);
	fiber_main(fn, arg);
	log_flush();
}
