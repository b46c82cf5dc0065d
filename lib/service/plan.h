/*
 * plan - what master.cf means: which program serves which sockets, under which limits
 *
 * Made by master (which carries it out) and by `postkeep check` (which only reports). Pure reading: the
 * file system is looked at, nothing is changed. Every service of a stock Postfix master.cf is known:
 * run, part of another program, or not there yet; the latter two are notes, never errors.
 */
#ifndef POSTKEEP_SERVICE_PLAN_H
#define POSTKEEP_SERVICE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lib/conf/conf.h"
#include "lib/conf/master_cf.h"
#include "lib/service/endpoint.h"

enum plan_socket_kind {
	PLAN_INET,
	PLAN_UNIX,
	PLAN_DGRAM,
	PLAN_FIFO,
	PLAN_PASS,
};

/* One socket to listen on. */
struct plan_socket {
	enum plan_socket_kind kind;
	char *
	    name; /* as -L gives it: "inet:127.0.0.1:25", "unix:private/qmgr-net"; unique in a plan */
	const char *path; /* part of name; relative to queue_directory; NULL for inet */
	struct sockaddr_storage address; /* inet */
	socklen_t address_len;
	bool optional; /* nobody named this address: a kernel without the family is no error */
	bool known; /* of a program of the suite: peers counts. Else: who may enter the directory */
	unsigned peers; /* enum endpoint_peer bits */
};

struct plan_service {
	const struct master_entry *entry;
	const struct program *program; /* NULL: not of the suite, but present in daemon_directory */
	char *path;                    /* the file to execute */
	bool single;
	bool event_driven;
	bool jail; /* -j */
	bool
	    lower; /* -u; a program that is not of the suite gets mail_work_user from master itself */
	int maxproc; /* 0 = no limit */
	struct plan_socket
	    *sockets; /* the line's own first, then those of endpoint_table in its order */
	size_t n_sockets;
};

struct plan {
	struct master_cf *cf;
	struct master_entry implied; /* the line for postlogd when master.cf has none */
	char *file;                  /* DIR/master.cf, for messages */
	bool unprivileged;           /* started by an ordinary user: no chroot, no change of user */
	struct plan_service *services;
	size_t count;
};

/*
 * Reads DIR/master.cf under configuration C. All problems go to PROBLEMS; with errors the plan is for
 * looking at only. Never NULL.
 */
struct plan *plan_load(const struct conf *c, const char *dir, struct conf_problems *problems);
void plan_free(struct plan **p);

/* The service whose line bears NAME and TYPE; NULL if there is none. */
const struct plan_service *plan_find(const struct plan *p, const char *name, enum master_type type);
/* Does any service listen on the UNIX socket PATH ("private/anvil")? */
bool plan_provides(const struct plan *p, const char *path);
/* Do both lines say the same (but for sockets, which are compared by name)? */
bool plan_service_same(const struct plan_service *a, const struct plan_service *b);

/* Listens on an inet socket of the plan; -1 with errno. Close-on-exec, not blocking. */
int plan_bind(const struct plan_socket *socket);
/*
 * Reports that SOCKET of service S cannot be listened on. False when that is only a note: nobody named
 * an address of a family that this machine does not have.
 */
bool plan_bind_failed(const struct plan *plan, const struct plan_service *s,
    const struct plan_socket *socket, int error, struct conf_problems *problems);
/* Tries whether the inet addresses of PLAN are free; leaves nothing open. */
void plan_probe(const struct plan *plan, struct conf_problems *problems);

/* A program of a stock Postfix that is no program here. */
enum stock_state {
	STOCK_BUILT_IN, /* another program does it */
	STOCK_NOT_YET,  /* will be; runs when the file is there */
	STOCK_NO_USE,   /* there is nothing for it to do */
};

struct stock_program {
	const char *name; /* the program; or the service, for those that share a program */
	enum stock_state state;
	const char *where; /* who does it instead, for people */
};

/* By the command column, then by the service's name; NULL when unknown. */
const struct stock_program *stock_find(const char *service, const char *command);

#endif
