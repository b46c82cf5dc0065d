/*
 * endpoint - which program listens where, who may connect, and how a process is started
 *
 * One table for the whole suite, read by master (which binds the sockets and links them into chroots),
 * by the service skeleton (which checks the caller's uid) and by the tests. doc/architecture.md shows
 * the same table to people.
 */
#ifndef POSTKEEP_SERVICE_ENDPOINT_H
#define POSTKEEP_SERVICE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/conf/conf.h"

/* The identities of the suite. Started by an ordinary user, all of them are that user. */
enum service_user {
	SERVICE_USER_ROOT,    /* stays root: master, and the parent of local */
	SERVICE_USER_QUEUE,   /* mail_owner: qmgr */
	SERVICE_USER_WORK,    /* mail_work_user */
	SERVICE_USER_NETWORK, /* mail_network_user */
	SERVICE_USERS,
};

/* Who may connect: a set of these. Root always may. */
enum endpoint_peer {
	PEER_QUEUE = 1,
	PEER_WORK = 2,
	PEER_NETWORK = 4,
	PEER_POSTDROP = 8, /* effective group postdrop */
	PEER_ANYONE = 16,
	/*
	 * Delivery workers that have become a mailbox's user. No name in the file system can tell a worker from a
	 * stranger with the same uid, so such a socket lets none of them in: the root parent connects, and
	 * a worker inherits the connection or is handed a new one.
	 */
	PEER_USERS = 32,
};

/*
 * A socket that a program listens on beside the one of its master.cf line. PATH is relative to
 * queue_directory: "private/qmgr-net". Index 0 of a service's endpoints is always the master.cf line's
 * own socket; those of this table follow in its order.
 */
struct endpoint {
	const char *program; /* "qmgr" */
	const char *path;
	unsigned peers; /* enum endpoint_peer bits */
};

/* NULL program at the end. */
extern const struct endpoint endpoint_table[];

/*
 * What a program needs around it: as whom it runs, whether it lives in a chroot of its own
 * (queue_directory/jail/<program>) when its chroot column says "-" or "y" (if_asked: "y" alone), and the
 * sockets that are linked into it.
 */
struct program {
	const char *name;
	enum service_user user;
	bool jail, jail_if_asked;
	bool single;       /* never two of them: qmgr, postlogd, anvil, pickup; reloads in place */
	bool event_driven; /* one process carries many sessions */
	bool forgetful;    /* a new process does not know what the old one had counted */
	const char *const *reaches; /* paths like "private/qmgr-net", NULL at the end */
	unsigned peers; /* who may connect to the master.cf line's own socket (not inet) */
};

/* Does a program have a chroot, if only by the column's "y"? */
static inline bool
program_has_jail(const struct program *p)
{
	return p->jail || p->jail_if_asked;
}

/* NULL when the program is not one of the suite's. */
const struct program *program_find(const char *name);
extern const struct program program_table[];

/* Row INDEX (1 is the first) of endpoint_table that belongs to PROGRAM; NULL behind the last. */
const struct endpoint *endpoint_of(const char *program, size_t index);

/* The identities of the configuration as numbers, looked up once while that is still possible. */
struct service_ids {
	bool unprivileged; /* the suite runs whole as the user that we are */
	uid_t uid[SERVICE_USERS];
	gid_t gid[SERVICE_USERS];
	gid_t postdrop;
};

/*
 * Looks up mail_owner, mail_work_user, mail_network_user and setgid_group; not when the effective user
 * is not root: then all are that user. False with WHY: a user that does not exist, or is root.
 */
bool service_ids_load(const struct conf *c, struct service_ids *ids, struct buf *why);
/* Owner and mode for master to give to a socket which lets in PEERS. */
void endpoint_mode(
    unsigned peers, const struct service_ids *ids, uid_t *uid, gid_t *gid, mode_t *mode);
/* Does a socket that is for PEERS let in a caller with these effective IDs (SO_PEERCRED)? */
bool endpoint_admits(unsigned peers, const struct service_ids *ids, uid_t uid, gid_t gid);

/*
 * The process interface between master and what it starts:
 *
 *   fd 0, 1, 2   /dev/null (fd 2: standard error until the log is open, with start-fg)
 *   fd 3         status: a SOCK_SEQPACKET pair with master (struct service_status / service_order)
 *   fd 4         log: a SOCK_SEQPACKET to postlogd, shared by all
 *   fd 5 …       listening sockets, in the order of the -L arguments
 *   cwd          queue_directory
 *
 *   argv: PROGRAM -n SERVICE -t TYPE -c CONFIG_DIRECTORY [-j (chroot into jail/PROGRAM)] [-u (run as the
 *         unprivileged user of the table)] [-m MAXPROC] [-v] [-o name=value]… -L ENDPOINT… [ARGUMENT…]
 *   ENDPOINT: "inet:127.0.0.1:25", "inet:[::1]:25", "unix:private/qmgr-net", "unix-dgram:public/postlog",
 *         "fifo:…", "pass:…". postlogd gets one more behind its own: "log:", the reading end of what all
 *         others (and it) write to as fd 4.
 *   Stand-alone: PROGRAM -S: the session on standard input and output; no master.
 *
 * When fd 3 comes to its end, master is gone: the process leaves within a bound. SIGTERM makes it leave
 * at once: sessions are canceled, what was begun is brought to an end within seconds.
 */
#define SERVICE_FD_STATUS 3
#define SERVICE_FD_LOG 4
#define SERVICE_FD_LISTEN 5

/* process → master */
struct service_status {
	unsigned sessions; /* open now */
	unsigned free;     /* how many more it would take: 0 = full */
	unsigned load;     /* percent, as fiber_load() */
	bool ready;        /* set from the first report on: start-up is complete */
	bool leaving;      /* accepts no more, ends when its sessions do */
};

/* master → process: one byte */
enum service_order {
	SERVICE_ORDER_WAKEUP =
	    'W', /* the wakeup column's timer, or postkeep flush for pickup and qmgr */
	SERVICE_ORDER_RELOAD = 'R', /* single programs: read the configuration again, in place */
	SERVICE_ORDER_DRAIN = 'D',  /* accept no more; end when the sessions have ended */
	SERVICE_ORDER_FLUSH = 'F',  /* qmgr: everything deferred is due now */
};

#endif
