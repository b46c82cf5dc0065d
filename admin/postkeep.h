/*
 * postkeep - the parts of the command that runs the suite
 *
 * Root's tool (or the suite's own user's). It reads the configuration as it stands now; what a running
 * suite does it asks master.
 */
#ifndef POSTKEEP_ADMIN_POSTKEEP_H
#define POSTKEEP_ADMIN_POSTKEEP_H

#include <stdbool.h>

#include "lib/conf/conf.h"
#include "lib/service/pidfile.h"
#include "lib/service/plan.h"

struct postkeep {
	char *config_dir; /* absolute */
	struct conf *conf;
	struct conf_problems problems; /* what reading main.cf found */
	int verbose;
	char **arguments; /* behind the command, NULL at the end */
};

/* Commands: the result is the exit status. */
int postkeep_start(struct postkeep *p);
int postkeep_start_fg(struct postkeep *p);
int postkeep_stop(struct postkeep *p);
int postkeep_abort(struct postkeep *p);
int postkeep_reload(struct postkeep *p);
int postkeep_status(struct postkeep *p);
int postkeep_flush(struct postkeep *p);
int postkeep_check(struct postkeep *p);
int postkeep_set_permissions(struct postkeep *p);
int postkeep_probe(struct postkeep *p);
int postkeep_tlsrpt(struct postkeep *p);
int postkeep_logrotate(struct postkeep *p);
int postkeep_version(struct postkeep *p);

/* queue_directory */
const char *postkeep_queue(const struct postkeep *p);
/* Who runs? Exits with a message when that cannot be told. */
struct pidfile_info postkeep_running(const struct postkeep *p);
/* "postkeep: text" on standard error. */
void postkeep_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One line of the answer of master, on standard error. */
void postkeep_say_line(const char *line);
/* All of PROBLEMS but notes, unless NOTES. */
void postkeep_print_problems(const struct conf_problems *problems, bool notes);

/* check.c: everything that can be looked at. HOSTS: in DNS too, which may take seconds. */
void postkeep_gather(struct postkeep *p, bool hosts, struct conf_problems *problems);
/* routes.c: transports and next hops; LOOK_UP the hosts. */
void postkeep_check_routes(
    const struct conf *c, const struct plan *plan, bool look_up, struct conf_problems *problems);
/*
 * tables.c: the tables in files that parameters in use name. FILE and LINE: of the line of master.cf whose -o settings
 * C has; NULL: those of main.cf.
 */
void postkeep_check_tables(
    const struct conf *c, const char *file, size_t line, struct conf_problems *problems);
/* tls.c: certificates, keys, TLS settings and policies of what goes out. */
void postkeep_check_tls(
    const struct conf *conf, const struct plan *plan, struct conf_problems *problems);

/*
 * Runs ARGV[0] (absolute, or looked for in the system's directories) with a clean environment and waits:
 * the exit status, 127 when it cannot be run, 128 and the signal when it was killed.
 */
int postkeep_run(const char *const *argv);

#endif
