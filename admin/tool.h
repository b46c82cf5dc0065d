/*
 * tool - what the administrator's tools for the queue have in common
 *
 * They run as whoever calls them, without privileges of their own: what a caller may do is decided by
 * the daemon at the other end of the socket, or by the modes of the spool.
 */
#ifndef POSTKEEP_ADMIN_TOOL_H
#define POSTKEEP_ADMIN_TOOL_H

#include <stdbool.h>

#include "lib/base/log.h"
#include "lib/ipc/blocking.h"

/*
 * Reads main.cf of CONFIG_DIR (NULL: $MAIL_CONFIG, else the built-in one), enters queue_directory, and
 * opens the log. Ends the program when main.cf cannot be read. PROGRAM: a literal, for messages.
 */
void tool_start(const char *program, const char *config_dir, int verbose);

/* Without a configuration: only the name, for messages on standard error. */
void tool_name(const char *program);

/* To standard error and to the log. */
void tool_say(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same as a fatal error, and exits with STATUS (sysexits.h). */
void tool_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
/* Prints the usage line on standard error and exits with EX_USAGE. */
void tool_usage(const char *text) __attribute__((noreturn));
/* Flushes standard output; a reader that has gone away is no error. Ends the program on others. */
void tool_flush(void);

/* A connection to one of qmgr's sockets; NULL with errno when the mail system is down. */
struct ipc_blocking *tool_connect(const char *path);
/* Is ERROR (of tool_connect) one that says that the mail system is down? */
bool tool_down(int error);

#endif
