/*
 * configure - main.cf for a service process: at its start, and again in place
 *
 * A process never runs with a configuration that has errors: at the start it ends and says all of them,
 * on a reload it keeps what it has and says all of them.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/internal.h"

static void
log_problem(const struct conf_problem *problem)
{
	/* Warnings are master's and "postkeep check"'s: not every process need repeat them. */
	if (problem->severity != CONF_ERROR && log_verbosity() == 0)
		return;
	if (problem->severity != CONF_ERROR)
		log_warning("%s, line %zu: %s", problem->file ? problem->file : "main.cf",
		    problem->line, problem->text);
	else if (problem->file && problem->line > 0)
		log_error("%s, line %zu: %s", problem->file, problem->line, problem->text);
	else if (problem->file)
		log_error("%s: %s", problem->file, problem->text);
	else
		log_error("%s", problem->text);
}

/* False, and all problems in the log, when C is not to be used. */
static bool
usable(struct conf_problems *problems)
{
	bool ok = problems->errors == 0;

	for (size_t i = 0; i < problems->count; i++)
		log_problem(&problems->list[i]);
	conf_problems_free(problems);
	return ok;
}

static bool
is_packet_socket(int fd)
{
	int type;
	socklen_t n = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

void
service_open_log(struct service_process *p)
{
	p->log_socket = !p->args.standalone && is_packet_socket(SERVICE_FD_LOG) &&
	    is_packet_socket(SERVICE_FD_STATUS);
	if (p->log_socket)
		log_to_socket(SERVICE_FD_LOG, false);
	else if (p->args.standalone && p->args.verbose == 0 && access("/dev/log", W_OK) == 0)
		log_to_syslog();
	else
		log_to_stderr();
}

void
service_defer_log(const struct service_process *p)
{
	if (p->log_socket)
		log_to_socket(SERVICE_FD_LOG, true);
}

void
service_apply_configuration(struct service_process *p)
{
	const struct conf *c = conf_get();
	int64_t limit = conf_int(c, p->service->session_limit);
	int64_t max_use = conf_int(c, P_max_use);

	p->limit = limit < 1 ? 1 : (unsigned)limit;
	p->retire = p->program->single || max_use <= 0 ? 0 : (uint64_t)max_use * p->limit;
	p->max_idle_ms = p->program->single ? 0 : conf_time(c, P_max_idle) * 1000;
	log_name(conf_cstr(c, P_syslog_name), p->service->name);
}

void
service_load_configuration(struct service_process *p)
{
	struct conf_problems problems = {0};
	struct conf *c =
	    conf_load(p->args.config_dir, p->args.overrides, p->args.n_overrides, &problems);

	if (!usable(&problems))
		log_fatal("%s: the configuration has errors, see above", conf_dir(c));
	conf_set(c);
	service_apply_configuration(p);
}

bool
service_can_reload(const struct service_process *p)
{
	bool jailed = p->args.jail && !p->ids.unprivileged;

	return p->program->single && p->service->sandbox == SANDBOX_FILES && !jailed;
}

struct load {
	const struct service_arguments *args;
	struct conf *conf;
	struct conf_problems problems;
};

/* In a worker thread: files may be slow. */
static void
load_files(void *arg)
{
	struct load *load = arg;

	load->conf = conf_load(load->args->config_dir, load->args->overrides,
	    load->args->n_overrides, &load->problems);
}

void
service_reload_configuration(void)
{
	struct service_process *p = service_process();
	struct load load = {.args = &p->args};

	fiber_offload(FIBER_POOL_READ, load_files, &load);
	if (!usable(&load.problems)) {
		log_error(
		    "the new configuration has errors, see above; the old one stays in force");
		conf_free(&load.conf);
		return;
	}
	conf_set(load.conf);
	service_apply_configuration(p);
	log_info("configuration read again");
	fiber_wake_all(&p->room);
	if (p->service->reload)
		p->service->reload();
}
