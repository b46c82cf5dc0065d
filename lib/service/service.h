/*
 * service - the one skeleton of all daemons
 *
 *	int main(int argc, char **argv) { return service_run(&smtpd_service, argc, argv); }
 *
 * Always in this order: arguments, configuration, log, privileged opens (before_confinement), chroot,
 * groups and user (verified), no_new_privs, limits, non-dumpable, Landlock, seccomp, loop. Then start() on a first
 * fiber, and session() on a fiber of its own for each client that connects. Which user, chroot and
 * sockets a program has is in endpoint.c's table, found by .name.
 *
 * A process takes at most session_limit sessions at once. Unless the program is single it retires after
 * max_use times that many (so that with a limit of one, max_use counts sessions as it does elsewhere),
 * and ends when it had none for max_idle.
 *
 * When the process is to leave (order, retirement, master gone, SIGTERM) its sessions end by
 * themselves, as soon as they look at service_leaving(). If that is not to wait for them, or takes too
 * long, they are canceled: their next wait, or the present one, fails with STREAM_CANCELED.
 */
#ifndef POSTKEEP_SERVICE_SERVICE_H
#define POSTKEEP_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/fiber/stream.h"
#include "lib/service/endpoint.h"

/* A client that has connected. */
struct service_client {
	struct stream
	    *stream; /* closed by the skeleton after session() has returned, unless set to NULL */
	size_t endpoint; /* index: 0 = the master.cf line's socket, then endpoint_table's order */
	bool inet;
	struct sockaddr_storage peer, local; /* inet */
	uid_t uid;                           /* UNIX sockets: the kernel's word (SO_PEERCRED) */
	gid_t gid;
	pid_t pid;
	bool idle; /* see service_idle() */
};

/* What beyond the common set of system calls a program may make. */
enum service_sandbox {
	SANDBOX_NETWORK,  /* no open, no exec; network clients, and connecting to UNIX sockets */
	SANDBOX_CLIENT,   /* the same, and connections of its own to other machines */
	SANDBOX_INTERNAL, /* the same without clients from the network */
	SANDBOX_CLOSED,   /* the narrowest: only who connects by itself; no new socket */
	SANDBOX_FILES,    /* opens and changes files: qmgr, local's workers, postlogd, proxymap */
	SANDBOX_NONE,     /* the parent of local: forks and changes user */
};

struct service {
	const char *name; /* as in program_table */
	enum service_sandbox sandbox;
	enum param session_limit; /* the parameter: sessions at once in one process */

	/* Privileged opens; files that will be out of reach later. Not on a fiber. False: exit. */
	bool (*before_confinement)(void);
	/* On the first fiber, confined. False: exit. May spawn fibers that live as long as the process. */
	bool (*start)(void);
	/* One client; on a fiber of its own. */
	void (*session)(struct service_client *client);
	/* Instead of session: the program reads its sockets itself (postlogd). On a fiber of its own. */
	void (*datagrams)(int fd, size_t endpoint);
	/* master's wakeup (and flush) orders; may wait. */
	void (*wakeup)(void);
	void (*flush)(void);
	/* Single programs: conf_get() is the new snapshot; the old one is kept until the process ends. */
	void (*reload)(void);
	/* The process is to end: finish what is in progress; returns when that is done. May wait. */
	void (*drain)(void);
	/*
	 * For a privileged parent (local): instead of all of the above but before_confinement. Runs without
	 * fibers and threads, as root, and accepts on the descriptors itself.
	 */
	int (*parent)(const int *listen_fds, size_t n);
};

/* Runs the program; the return value is main()'s. */
int service_run(const struct service *service, int argc, char **argv);

/* Run by -S, on standard input and output, without master: not confined, as whoever started it. */
bool service_standalone(void);
/* The maxproc column: how many at once, of what the program counts (local: workers); 0 = no limit. */
unsigned service_maxproc(void);
/* The identities of the suite, as looked up before confinement. */
const struct service_ids *service_identities(void);

/* What master said: the service's name in master.cf ("smtp", "submission"). */
const char *service_name(void);
/* The -o overrides that conf_get() was loaded with. */
const struct conf_override *service_overrides(size_t *n);
/* Is the suite run by an ordinary user, whole as that user? */
bool service_unprivileged(void);
/*
 * The process asks to be replaced, since CAUSE: it takes nothing new, its sessions end by themselves.
 */
void service_retire(const char *cause);
/* The process is draining: new work is refused. */
bool service_leaving(void);
/* … by master's order, since the suite ends, or this service is no more: nobody takes its place. */
bool service_stopping(void);
/* When the process ends whatever its sessions and drain() do; FIBER_FOREVER: it waits for them. */
fiber_deadline service_end(void);
/*
 * For sessions of other programs, that stay open between requests: IDLE true before waiting for the
 * next one, false when it has begun to arrive. A session that is idle when the process begins to leave
 * is canceled. False when the process is leaving already: end the session instead of waiting.
 */
bool service_idle(struct service_client *client, bool idle);

/*
 * For a parent(), which has no loop: tells master (ready has been told before parent() begins), and
 * takes the next order from SERVICE_FD_STATUS without waiting: 0 when there is none, -1 when master is
 * gone.
 */
void service_parent_report(const struct service_status *status);
int service_parent_order(void);

/* Is CLIENT (a UNIX socket's) one that the endpoint table lets in? The skeleton has asked already. */
bool service_peer_allowed(const struct service_client *client);

/*
 * For the workers that a privileged parent forks: becomes UID and GID with the supplementary groups
 * GROUPS for good (verified: cannot switch back), no_new_privs, non-dumpable, limits, seccomp. When UID
 * is 0 it stays uid 0 without any capability: files are open to it as to their owner, no more. When the
 * suite is run by an ordinary user, UID must be that user; GID and GROUPS are ignored. False with WHY
 * set: the process must end, it may be half way.
 */
bool service_become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups,
    enum service_sandbox sandbox, struct buf *why);
/* A worker's loop: FN(ARG) on the first fiber, log lines written once a turn; until FN returns. */
void service_worker(void (*fn)(void *arg), void *arg);

#endif
