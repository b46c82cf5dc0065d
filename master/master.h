/*
 * master - the parts of the daemon that starts, counts, reloads and restarts all others
 *
 * One process, one thread, one poll loop. It runs as root, reads nothing from the network, and believes
 * nothing that a lower user can write: sockets and locks lie in directories of root, and a child's
 * status packet can only make master start more or fewer processes, within the limits of master.cf.
 */
#ifndef POSTKEEP_MASTER_H
#define POSTKEEP_MASTER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/list.h"
#include "lib/conf/conf.h"
#include "lib/service/endpoint.h"
#include "lib/service/plan.h"
#include "lib/service/tree.h"

/* A socket that is open. Shared with children; lives across reloads while its name is in the plan. */
struct listener {
	struct list_link link;
	char *name;       /* plan_socket.name */
	const char *path; /* in NAME, or NULL */
	int fd;
	bool wanted; /* mark of a reload in progress */
};

struct master_service {
	struct list_link link;
	const struct plan_service *plan;
	struct listener **listeners; /* in the order of plan->sockets, those that could be opened */
	size_t n_listeners;
	bool kept;           /* always running: the queue manager and the log writer */
	bool used;           /* a process has been started on demand: for wakeup "N?" */
	bool wakeup_pending; /* a process is to be started, and told, when there is none */
	int64_t next_wakeup; /* monotonic ms; 0 = never */
	unsigned failures;   /* in a row */
	int64_t not_before;  /* monotonic ms: no new process until then */
};

struct master_child {
	struct list_link link;
	struct master_service *service; /* NULL: its line is gone, or says something else now */
	char *name;                     /* the service's, for messages */
	char *path;                     /* of the program */
	bool source;                    /* brings mail in: ends first at a stop */
	bool logger;                    /* postlogd: ends last */
	bool single;
	pid_t pid;
	int status_fd; /* -1: it has closed its side */
	struct service_status status;
	bool ordered_end; /* it was told to drain, or killed: its end is no failure */
	bool killed;      /* it has been ended because it was overdue */
	bool wakeup_due;  /* to be sent when it is ready */
	int64_t started;  /* monotonic ms */
	int64_t ending; /* monotonic ms: since when it is to end, or says no more; 0 = it serves */
};

enum master_phase {
	PHASE_RUNNING,
	PHASE_SOURCES,    /* stopping: what brings mail in */
	PHASE_DELIVERIES, /* stopping: the queue manager and its agents */
	PHASE_LOG,        /* stopping: the log writer */
	PHASE_ENDED,
};

struct master {
	const char *config_dir; /* absolute */
	struct conf *conf;
	struct plan *plan;
	struct service_ids ids;
	char **environment; /* of children */
	int verbose;
	bool foreground;
	int cores;

	struct list services;  /* struct master_service */
	struct list listeners; /* struct listener */
	struct list children;  /* struct master_child */

	int signal_fd;
	int log_read, log_write; /* the two ends of the log socket */
	int report_fd;           /* postkeep start waits on it; -1 when told */
	int64_t report_deadline;
	int control_fd; /* postkeep asks here */

	enum master_phase phase;
	int64_t phase_deadline; /* monotonic ms */
	bool phase_killed;
	int exit_status;
};

/* main.c */
void master_log_problems(const struct conf_problems *problems);

/* environment.c: what children get, from import_environment; NULL at the end. */
char **environment_make(const struct conf *c, const char *config_dir);
void environment_free(char ***env);

/* listen.c */
/* Opens (or finds open) every socket of PLAN; problems go to PROBLEMS and what was opened is closed. */
bool listen_open(
    struct master *m, const struct plan *plan, int64_t patience_ms, struct conf_problems *problems);
/* Closes what no service of the plan wants any more. */
void listen_close_unwanted(struct master *m, const struct plan *plan);
struct listener *listen_find(struct master *m, const char *name);
/* At the end: closes all, and removes socket files. */
void listen_close_all(struct master *m);

/* jail.c: links the sockets that confined programs reach into their chroots. */
void jail_link(const struct plan *plan);

/* services.c */
/* Makes the list of services follow PLAN. Nothing can fail any more: the sockets are open. */
void services_adopt(struct master *m, struct plan *plan, const struct conf *old);
void services_free(struct master *m);

/* children.c */
/* Starts one process; false when that failed (the service is then throttled). */
bool child_start(struct master *m, struct master_service *s);
/* Reads what a child has to say. */
void child_read_status(struct master_child *c);
/* Collects all that have ended. */
void children_reap(struct master *m);
void child_order(struct master_child *c, enum service_order order);
/* Accept no more, end when done. */
void child_drain(struct master_child *c);
bool child_serving(const struct master_child *c);

/* policy.c */
/* Which services want a connection to come, or a process at once? */
enum policy_want { POLICY_NOTHING, POLICY_POLL, POLICY_START };
enum policy_want policy_want(const struct master *m, const struct master_service *s, int64_t now);
bool policy_kept(const struct plan_service *s);
bool policy_logger(const struct plan_service *s);

/* failure.c */
/* Notes that a process of S failed, logs how (TEXT) and when the next is tried. */
void failure_note(struct master_service *s, const char *text, int64_t now);
/* Has S failed, and not yet gone a good time without? */
bool failure_recent(const struct master_service *s, int64_t now);
/* "exit status 1", "signal 11 (Segmentation fault)" */
void failure_describe(int wait_status, struct buf *out);

/* orders.c: timers of the wakeup column. */
void orders_wakeups(struct master *m, int64_t now);
/* Sends ORDER to the processes of PROGRAM; how many got it. */
size_t orders_send(struct master *m, const char *program, enum service_order order);

/* reload.c: false when nothing was changed. Problems are appended, and logged. */
bool master_reload(struct master *m, struct conf_problems *problems);

/* stop.c */
void stop_begin(struct master *m, int signo);
void stop_abort(struct master *m);
void stop_step(struct master *m, int64_t now);

/* control.c: requests of postkeep on private/master. */
bool control_open(struct master *m, struct buf *why);
void control_serve(struct master *m);
void control_close(struct master *m);

/* overdue.c */
void overdue_check(struct master *m, int64_t now);
/* Monotonic ms of the next time overdue_check() has something to do. */
int64_t overdue_next(const struct master *m);

/* report.c: tells `postkeep start` how it went. */
void report_step(struct master *m, int64_t now);

/* loop.c */
void loop_run(struct master *m);

#endif
