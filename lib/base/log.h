/*
 * log - what the suite says of itself
 *
 * Lines have Postfix's shape: "postkeep/smtpd[4711]: text". Where they go is one of: a socket to
 * postlogd (daemons), syslog (tools, and daemons before master is up), or standard error. Writing
 * never blocks; lines that could not be written are counted, and the count is logged when it can be.
 *
 * Every byte of a finished line that is not printable is shown as '?', valid UTF-8 excepted (but not
 * its control characters), and a line is cut at LOG_LINE_MAX: callers need not clean what strangers
 * sent, only name it. For the main thread only. errno is kept.
 */
#ifndef POSTKEEP_BASE_LOG_H
#define POSTKEEP_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE_MAX 2000

enum log_level {
	LOG_LEVEL_DEBUG, /* shown when verbose */
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING, /* "warning: …" */
	LOG_LEVEL_ERROR,   /* "error: …" */
	LOG_LEVEL_FATAL,   /* "fatal: …" */
	LOG_LEVEL_PANIC,   /* "panic: …" */
};

enum log_target {
	LOG_TARGET_STDERR, /* "program: text"; the start value */
	LOG_TARGET_SOCKET, /* frames to postlogd, see log_to_socket() */
	LOG_TARGET_SYSLOG, /* facility mail */
};

/* SYSLOG_NAME is "postkeep" by default, PROGRAM "smtpd": together "postkeep/smtpd". Both are copied. */
void log_name(const char *syslog_name, const char *program);
void log_to_stderr(void);
void log_to_syslog(void);
/*
 * FD: a connected SOCK_SEQPACKET or SOCK_DGRAM socket. One datagram carries one or more records, each
 * "<level digit><text>\n", with text "postkeep/smtpd[pid]: …". With DEFER lines are gathered and
 * written by log_flush() (the loop calls it once a turn), at the latest when 8 KiB have come together
 * or a line is an error or worse. What FD does not take is kept, up to that size, for the next flush or
 * for the socket of the next call.
 */
void log_to_socket(int fd, bool defer);
void log_flush(void);
void log_verbose(int level);
int log_verbosity(void);

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same in another program's name: log_as("cleanup", …) gives "postkeep/cleanup[pid]: …". */
void log_as(const char *program, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An error the process cannot go on after: logs and exits, with status 1 or what was set. */
void log_fatal_status(int status);
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The impossible happened: logs and aborts. */
void log_panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Makes LEN bytes of TEXT printable in place, as log lines are. */
void log_printable(char *text, size_t len);

#endif
