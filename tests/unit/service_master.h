/*
 * service_master - the master that test_service and test_confine start service_probe under
 *
 * Makes a directory with a main.cf and a listening socket, and gives the probe its descriptors as
 * lib/service/endpoint.h says. Every wait is bounded; what does not come fails the test.
 */
#ifndef POSTKEEP_TESTS_SERVICE_MASTER_H
#define POSTKEEP_TESTS_SERVICE_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/service/endpoint.h"

/* Accounts that every system has; main.cf names them as the suite's. */
#define OWNER_USER "daemon"
#define WORK_USER "bin"
#define NETWORK_USER "nobody"
#define DROP_GROUP "nogroup"

struct probe_options {
	const char *program;     /* row of program_table; NULL: smtpd */
	bool jail, user;         /* -j, -u */
	bool ordinary;           /* started as NETWORK_USER, not as root */
	const char *settings;    /* more lines of main.cf */
	const char *endpoint[4]; /* -L; NULL: the one socket */
	bool open_jail;          /* that others may write to */
	bool trigger;            /* a fifo in place of the socket */
	rlim_t files;            /* soft RLIMIT_NOFILE to start with; 0 = as it is */
	bool standalone;         /* -S, on p->connection */
};

struct probe {
	char dir[32];
	char socket[64];
	pid_t pid;
	int status;       /* our end of fd 3 */
	int log;          /* our end of fd 4 */
	int listen;       /* kept open, as master does */
	int connection;   /* stand-alone: our end of its standard input and output */
	struct buf lines; /* of its log so far */
};

/* Starts a probe. False (nothing started) when the probe cannot be run by that user here. */
bool probe_start(struct probe *p, const struct probe_options *options);
/* Ends it if it still runs, and removes its directory. */
void probe_clean(struct probe *p);
void probe_settings(struct probe *p, const char *settings);

/* The next report, or the test fails; false when there is none within MS. */
struct service_status probe_report(struct probe *p);
bool probe_reports(struct probe *p, int ms, struct service_status *status);
void probe_order(struct probe *p, char order);
/* Waits until its log holds TEXT; fails after some seconds. */
void probe_logged(struct probe *p, const char *text);

int probe_connect(struct probe *p);
/* Sends a line, reads a line into ANSWER without its end; "" when the connection ends instead. */
void probe_ask(int fd, const char *line, char *answer, size_t size);
/* Is there an answer (or an end) within MS? */
bool probe_answers(int fd, int ms);
/* waitpid()'s status; fails when it does not end within MS. */
int probe_end(struct probe *p, int ms);

#endif
