/*
 * internal - what the files of lib/service share; nobody else includes it
 *
 * All that a service process knows of itself is in one struct, made by run.c.
 */
#ifndef POSTKEEP_SERVICE_INTERNAL_H
#define POSTKEEP_SERVICE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/conf/conf.h"
#include "lib/fiber/fiber.h"
#include "lib/service/endpoint.h"
#include "lib/service/service.h"

/* Percent of a core from which on master is told that this process is busy. */
#define SERVICE_LOAD_BUSY 70

/* One listening socket; its place in the array is the index that service_client.endpoint tells. */
struct service_endpoint {
	int fd;
	const char *text; /* "unix:private/qmgr-net" */
	bool inet;
	bool pass;         /* each client hands over a connection that it has accepted itself */
	unsigned peers;    /* enum endpoint_peer: UNIX sockets */
	unsigned sessions; /* open now, of those that came by it */
	struct fiber
	    *listener; /* the fiber that accepts, or reads datagrams; NULL when it has ended */
};

/* From the command line. */
struct service_arguments {
	const char *name; /* of the service in master.cf */
	const char *type;
	const char *config_dir; /* NULL: MAIL_CONFIG or built in */
	bool jail, unprivileged_user, standalone;
	unsigned maxproc;
	int verbose;
	struct conf_override *overrides;
	size_t n_overrides;
	struct service_endpoint *endpoints;
	size_t n_endpoints;
};

/* Work that orders ask for: at most one run at a time, and one more after it. */
struct service_job {
	bool wanted, running;
	void (*run)(void);
};

struct service_process {
	const struct service *service;
	const struct program *program;
	struct service_arguments args;
	struct service_ids ids;

	unsigned limit;           /* sessions at once */
	unsigned sessions;        /* open now */
	uint64_t served;          /* sessions so far */
	uint64_t retire;          /* leave after that many; 0 = never */
	int64_t max_idle_ms;      /* 0 = stay */
	int64_t idle_since;       /* fiber_now() when the last session ended */
	struct list open;         /* struct service_session */
	struct fiber_waitq room;  /* listeners wait here while there is no room for more */
	int64_t crowd_quiet;      /* until then nothing is said of users with too many sessions */
	struct fiber_waitq ended; /* something ended: a session, a listener, drain() */

	bool log_socket; /* lines go to postlogd, not to standard error or syslog */
	bool ready, leaving, stopping, drained;
	fiber_deadline patience; /* when leaving: sessions still open then are canceled */
	bool canceled;           /* they were, and patience is for what that takes */
	volatile bool term;      /* SIGTERM arrived */
	bool master_gone;
	struct fiber_waitq attention; /* the housekeeper waits here */
	struct service_status told;   /* what master knows */
	bool told_any, untold;        /* something was said; the last thing could not be */
	struct service_job wakeup, flush, reload;
};

struct service_process *service_process(void);

/* arguments.c: ends the process when they make no sense. */
void service_parse_arguments(struct service_process *p, int argc, char **argv);

/* configure.c: reads main.cf; ends the process when it has errors. */
void service_load_configuration(struct service_process *p);
void service_open_log(struct service_process *p);
/* From here on there is a loop that writes the lines once a turn. */
void service_defer_log(const struct service_process *p);
/* The limits that come from the configuration, at start and after a reload. */
void service_apply_configuration(struct service_process *p);
/* On a fiber: the new configuration in place, or all that is wrong with it in the log. */
void service_reload_configuration(void);
/* Can this process, confined as it is, read main.cf again? */
bool service_can_reload(const struct service_process *p);

/* confine.c: gives up every right the program does not need; ends the process when that fails. */
void service_confine(struct service_process *p);
/* become.c: the part that does not depend on the program's table; see service_become(). */
bool service_harden(enum service_sandbox sandbox, struct buf *why);

/* landlock.c: signals and abstract UNIX sockets of others are out of reach, where the kernel can do that. */
bool service_landlock(struct buf *why);
/* seccomp.c: loads the filter; false with WHY. A kernel without seccomp gets a warning and true. */
bool service_seccomp(enum service_sandbox sandbox, struct buf *why);
/* sandbox_plain.c or sandbox_sanitizers.c: what the build's run-time library needs besides. */
bool service_sandbox_extra(void *filter);
/* Ends the process with STATUS after confinement; returns it when nothing stands in the way. */
int service_sandbox_exit(int status);

/* listen.c */
void service_listen(struct service_process *p);
void service_stop_listening(struct service_process *p);
bool service_listening(const struct service_process *p);

/* session.c: on a fiber of its own; takes over FD. */
void service_open_session(struct service_process *p, size_t endpoint, int fd);
/* All of them, or those that wait for a next request (service_idle()). */
void service_cancel_sessions(struct service_process *p, bool only_idle);

/* status.c */
void service_status_start(struct service_process *p);
/* Runs the program's wakeup() on a fiber, once more if it is running already. */
void service_wakeup(void);
/* At the end of each turn: tells master when something has changed that it acts on. */
void service_status_report(void);

/* leave.c: begins to leave; PATIENCE_MS is how long sessions may go on, -1 = as long as they like. */
void service_leave(struct service_process *p, const char *cause, int64_t patience_ms);
/* Waits until the process may end. */
void service_wait_end(struct service_process *p);
void service_housekeeping(struct service_process *p);

/* standalone.c: one session on standard input and output. */
int service_run_standalone(struct service_process *p);

#endif
