/*
 * log - what the suite says of itself
 *
 * Trusts no text: every line is made printable and cut before it goes out. Allocates nothing, since it
 * must be able to say that there is no memory. errno is kept, so that a line may be logged between a
 * failure and its answer. For the main thread only.
 */
#include "lib/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#define NAME_MAX_LEN 64      /* bytes of a syslog or program name; longer ones are cut */
#define PENDING_MAX 8192     /* bytes gathered before they are written */
#define LAST_WORDS_WAIT 1000 /* ms that an ending process waits for the log socket */

struct logger {
	enum log_target target;
	int verbosity;
	int fd; /* LOG_TARGET_SOCKET */
	bool defer;
	char syslog_name[NAME_MAX_LEN];
	char program[NAME_MAX_LEN];
	char tag[2 * NAME_MAX_LEN]; /* what syslog(3) was told; it keeps the pointer */
	char line[LOG_LINE_MAX + 1];
	pid_t pending_pid; /* whose lines are pending: a child does not write its parent's */
	pid_t pid;         /* of this process; 0: to be asked for */
	bool fork_watched;
	int fatal_status; /* of log_fatal(); 0: 1 */
	size_t pending_len;
	unsigned long pending_lines;
	unsigned long dropped;
	char pending[PENDING_MAX];
};

static struct logger logger = {
    .target = LOG_TARGET_STDERR,
    .fd = -1,
    .syslog_name = "postkeep",
    .program = "postkeep",
};

static void
forget_pid(void)
{
	logger.pid = 0;
}

/* Our own process ID, without a system call per line. */
static pid_t
own_pid(void)
{
	if (!logger.fork_watched)
		logger.fork_watched = pthread_atfork(NULL, NULL, forget_pid) == 0;
	if (logger.pid == 0 || !logger.fork_watched)
		logger.pid = getpid();
	return logger.pid;
}

static const char *
level_text(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_WARNING:
		return "warning: ";
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_FATAL:
		return "fatal: ";
	case LOG_LEVEL_PANIC:
		return "panic: ";
	case LOG_LEVEL_DEBUG:
	case LOG_LEVEL_INFO:
		break;
	}
	return "";
}

static int
syslog_priority(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_DEBUG:
		return LOG_DEBUG;
	case LOG_LEVEL_INFO:
		return LOG_INFO;
	case LOG_LEVEL_WARNING:
		return LOG_WARNING;
	case LOG_LEVEL_ERROR:
		return LOG_ERR;
	case LOG_LEVEL_FATAL:
	case LOG_LEVEL_PANIC:
		break;
	}
	return LOG_CRIT;
}

void
log_name(const char *syslog_name, const char *program)
{
	snprintf(logger.syslog_name, sizeof(logger.syslog_name), "%s", syslog_name);
	snprintf(logger.program, sizeof(logger.program), "%s", program);
}

void
log_to_stderr(void)
{
	log_flush();
	logger.target = LOG_TARGET_STDERR;
}

void
log_to_syslog(void)
{
	log_flush();
	logger.target = LOG_TARGET_SYSLOG;
}

void
log_to_socket(int fd, bool defer)
{
	log_flush();
	logger.target = LOG_TARGET_SOCKET;
	logger.fd = fd;
	logger.defer = defer;
}

void
log_verbose(int level)
{
	logger.verbosity = level;
}

int
log_verbosity(void)
{
	return logger.verbosity;
}

/*
 * The length of the UTF-8 sequence (RFC 3629, section 4) that starts at P, of two bytes at least; 0 if
 * there is none. Not accepted: overlong forms, surrogates, and the controls U+0080 to U+009F, which
 * terminals obey.
 */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		need = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		need = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (p[0] == 0xc2 || p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (n < need || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

void
log_printable(char *text, size_t len)
{
	unsigned char *p = (unsigned char *)text;

	for (size_t i = 0; i < len;) {
		size_t n = p[i] >= 0x80 ? utf8_length(p + i, len - i) : 0;

		if (n == 0) {
			if (p[i] < 0x20 || p[i] >= 0x7f)
				p[i] = '?';
			n = 1;
		}
		i += n;
	}
}

/* LEN, or up to three bytes less, so that a cut of TEXT there does not split a UTF-8 character. */
static size_t
whole_characters(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t back = 1;

	while (back < 4 && back < len && (p[len - back] & 0xc0) == 0x80)
		back++;
	if (back <= len && p[len - back] >= 0xc0 && utf8_length(p + len - back, back) == 0)
		return len - back;
	return len;
}

/*
 * Forgets lines that this process did not write. A child has a copy of what its parent had gathered,
 * and the parent writes that.
 */
static void
own_pending(void)
{
	pid_t self = own_pid();

	if (logger.pending_pid != self) {
		logger.pending_pid = self;
		logger.pending_len = 0;
		logger.pending_lines = 0;
		logger.dropped = 0;
	}
}

/* Adds one record; false when there is no room. */
static bool
gather(enum log_level level, const char *line, size_t len)
{
	if (len + 2 > PENDING_MAX - logger.pending_len)
		return false;
	logger.pending[logger.pending_len++] = (char)('0' + (int)level);
	memcpy(logger.pending + logger.pending_len, line, len);
	logger.pending_len += len;
	logger.pending[logger.pending_len++] = '\n';
	logger.pending_lines++;
	return true;
}

/*
 * Writes what is pending. Lines that find the socket full, or nobody reading, stay for the next time;
 * only a datagram that this socket never takes is given up.
 */
static bool
send_pending(void)
{
	ssize_t n;

	if (logger.pending_len == 0)
		return true;
	do
		n = send(
		    logger.fd, logger.pending, logger.pending_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EMSGSIZE)
		return false;
	if (n < 0)
		logger.dropped += logger.pending_lines;
	logger.pending_len = 0;
	logger.pending_lines = 0;
	return n >= 0;
}

/* Says how many lines are missing, at the place where they are missing. */
static void
report_dropped(void)
{
	char line[4 * NAME_MAX_LEN];
	int n = snprintf(line, sizeof(line), "%s/%s[%ld]: warning: %lu log lines were dropped here",
	    logger.syslog_name, logger.program, (long)own_pid(), logger.dropped);

	if (gather(LOG_LEVEL_WARNING, line, (size_t)n))
		logger.dropped = 0;
}

void
log_flush(void)
{
	int saved = errno;

	if (logger.target == LOG_TARGET_SOCKET && (logger.pending_len || logger.dropped)) {
		own_pending();
		if (send_pending() && logger.dropped) {
			report_dropped();
			send_pending();
		}
	}
	errno = saved;
}

static void
put_socket(enum log_level level, const char *line, size_t len)
{
	own_pending();
	/* What is missing is reported before anything newer. */
	if (logger.dropped || len + 2 > PENDING_MAX - logger.pending_len)
		log_flush();
	if (logger.dropped || !gather(level, line, len))
		logger.dropped++;
	if (!logger.defer || level >= LOG_LEVEL_ERROR)
		log_flush();
}

/* Standard error may be a full pipe that does not block; such a line is lost, and counted. */
static void
put_stderr(char *line, size_t len)
{
	ssize_t n;

	line[len] = '\n';
	do
		n = write(STDERR_FILENO, line, len + 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		logger.dropped++;
}

static void
put_syslog(const char *program, enum log_level level, const char *text)
{
	snprintf(logger.tag, sizeof(logger.tag), "%s/%s", logger.syslog_name, program);
	openlog(logger.tag, LOG_PID | LOG_NDELAY, LOG_MAIL);
	syslog(syslog_priority(level), "%s", text);
}

/* The prefix of a line for the present target; its length. */
static size_t
put_prefix(char *line, size_t size, const char *program, enum log_level level)
{
	int n = 0;

	if (logger.target == LOG_TARGET_STDERR)
		n = snprintf(line, size, "%s: %s", program, level_text(level));
	else if (logger.target == LOG_TARGET_SOCKET)
		n = snprintf(line, size, "%s/%s[%ld]: %s", logger.syslog_name, program,
		    (long)own_pid(), level_text(level));
	else
		n = snprintf(line, size, "%s", level_text(level));
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static void __attribute__((format(printf, 3, 0)))
put_line(const char *program, enum log_level level, const char *format, va_list ap)
{
	char *line = logger.line;
	size_t size = sizeof(logger.line), len;
	int saved = errno, n;

	len = put_prefix(line, size, program, level);
	errno = saved; /* for %m */
	n = vsnprintf(line + len, size - len, format, ap);
	if (n >= 0 && (size_t)n >= size - len)
		len = whole_characters(line, size - 1);
	else if (n > 0)
		len += (size_t)n;
	line[len] = '\0';
	log_printable(line, len);
	if (logger.target == LOG_TARGET_SOCKET)
		put_socket(level, line, len);
	else if (logger.target == LOG_TARGET_SYSLOG)
		put_syslog(program, level, line);
	else
		put_stderr(line, len);
	errno = saved;
}

void
log_debug(const char *format, ...)
{
	va_list ap;

	if (logger.verbosity <= 0)
		return;
	va_start(ap, format);
	put_line(logger.program, LOG_LEVEL_DEBUG, format, ap);
	va_end(ap);
}

void
log_info(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	put_line(logger.program, LOG_LEVEL_INFO, format, ap);
	va_end(ap);
}

void
log_warning(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	put_line(logger.program, LOG_LEVEL_WARNING, format, ap);
	va_end(ap);
}

void
log_error(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	put_line(logger.program, LOG_LEVEL_ERROR, format, ap);
	va_end(ap);
}

void
log_as(const char *program, enum log_level level, const char *format, ...)
{
	va_list ap;

	if (level == LOG_LEVEL_DEBUG && logger.verbosity <= 0)
		return;
	va_start(ap, format);
	put_line(program, level, format, ap);
	va_end(ap);
}

/* The reason why a process ends is worth a short wait, if the log is only busy. */
static void
say_last_words(void)
{
	struct pollfd p = {.fd = logger.fd, .events = POLLOUT};

	if (logger.target != LOG_TARGET_SOCKET || logger.pending_len == 0)
		return;
	if (poll(&p, 1, LAST_WORDS_WAIT) > 0)
		log_flush();
}

void
log_fatal_status(int status)
{
	logger.fatal_status = status;
}

void
log_fatal(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	put_line(logger.program, LOG_LEVEL_FATAL, format, ap);
	va_end(ap);
	say_last_words();
	exit(logger.fatal_status ? logger.fatal_status : 1);
}

void
log_panic(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	put_line(logger.program, LOG_LEVEL_PANIC, format, ap);
	va_end(ap);
	say_last_words();
	abort();
}
