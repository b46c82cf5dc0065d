/*
 * reload - a new configuration takes the place of the old one, whole or not at all
 *
 * Everything is read, checked and opened first; only when nothing can fail any more is the old plan
 * given up. Sockets whose lines are unchanged stay open throughout, so no client is refused.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/log.h"
#include "master/master.h"

/* What cannot change under a running suite. */
static void
check_fixed(const struct master *m, const struct conf *c, struct conf_problems *problems)
{
	const char *file = NULL;
	size_t line = 0;

	if (str_eq(conf_str(c, P_queue_directory), conf_str(m->conf, P_queue_directory)))
		return;
	conf_is_set(c, P_queue_directory, &file, &line);
	conf_problem(problems, CONF_ERROR, file, line,
	    "queue_directory cannot change while the suite runs: stop it, then start it again");
}

static void
adopt(struct master *m, struct conf *c, struct plan *plan, const struct service_ids *ids)
{
	struct plan *old_plan = m->plan;
	struct conf *old_conf = m->conf;

	m->conf = c;
	m->ids = *ids;
	services_adopt(m, plan, old_conf);
	m->plan = plan;
	listen_close_unwanted(m, plan);
	jail_link(plan);
	environment_free(&m->environment);
	m->environment = environment_make(c, m->config_dir);
	plan_free(&old_plan);
	conf_free(&old_conf);
	log_name(conf_cstr(c, P_syslog_name), "master");
}

bool
master_reload(struct master *m, struct conf_problems *problems)
{
	struct conf *c = conf_load(m->config_dir, NULL, 0, problems);
	struct plan *plan = plan_load(c, m->config_dir, problems);
	struct service_ids ids;

	check_fixed(m, c, problems);
	if (tree_users(c, &ids, problems) && problems->errors == 0 &&
	    tree_walk(c, &ids, TREE_START, problems, NULL) && listen_open(m, plan, 0, problems)) {
		adopt(m, c, plan, &ids);
		log_info("reload -- version %s, configuration %s", PACKAGE_VERSION, m->config_dir);
		return true;
	}
	master_log_problems(problems);
	log_error("reload: nothing was changed: the configuration has %zu error%s",
	    problems->errors, problems->errors == 1 ? "" : "s");
	plan_free(&plan);
	conf_free(&c);
	return false;
}
