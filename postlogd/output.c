/*
 * output - where log lines end: see output.h
 */
#include "postlogd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/ipc/postlog.h"

#define FALLBACK_FILE "/var/log/mail.log"
#define SYSLOG_PATH "/dev/log"
#define STDOUT_NAME "/dev/stdout"
#define FLUSH_AT 65536

static struct {
	int fd;            /* of the file, -1 = syslog */
	int syslog;        /* connection to the system's log, -1 = none */
	uint64_t lost;     /* lines that could be written nowhere, not yet told of */
	bool failing;      /* the last attempt to write did not succeed */
	uint64_t gathered; /* lines in .lines */
	struct buf path;   /* of the file */
	struct buf asked;  /* maillog_file, as it was when the log was opened */
	bool elsewhere;    /* that could not be used */
	struct buf lines;  /* not yet written */
	char host[256];
	char stamp[64]; /* "Nov 22 06:07:42", of .stamp_at */
	time_t stamp_at;
	int64_t looked_ms; /* when the name was compared with the file */
} out = {.fd = -1, .syslog = -1};

/* Where the log goes when no file is named, or not one that can be used; false when that is syslog. */
static bool
fallback_path(struct buf *path)
{
	buf_reset(path);
	if (access(SYSLOG_PATH, F_OK) == 0)
		return false;
	if (geteuid() == 0)
		buf_puts(path, FALLBACK_FILE);
	else
		buf_printf(path, "%s/mail.log", conf_cstr(conf_get(), P_data_directory));
	return true;
}

/* The path that the configuration means; false when that is syslog. Root opens nothing else here. */
static bool
choose_path(struct buf *path)
{
	struct str file = conf_str(conf_get(), P_maillog_file);

	if (file.len == 0)
		return fallback_path(path);
	if (str_eq(file, STR(STDOUT_NAME)) || geteuid() != 0 ||
	    postlog_file_allowed(conf_get(), file)) {
		buf_str(path, file);
		return true;
	}
	log_warning(
	    "maillog_file = %.*s is not below maillog_file_prefixes: not used", STR_ARG(file));
	out.elsewhere = true;
	return fallback_path(path);
}

/*
 * The file must stay writable after root has become the work user. One with another name besides is not given
 * away: whoever may write to the directory could have linked to a file of root's.
 */
static void
hand_over(int fd)
{
	struct passwd *pw =
	    geteuid() == 0 ? getpwnam(conf_cstr(conf_get(), P_mail_work_user)) : NULL;
	struct stat st;

	if (pw && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 &&
	    st.st_nlink == 1 && fchown(fd, pw->pw_uid, (gid_t)-1) == -1)
		log_warning("%s: change owner: %s", buf_cstr(&out.path), strerror(errno));
}

static bool
open_file(void)
{
	mode_t mode =
	    (mode_t)strtol(conf_cstr(conf_get(), P_maillog_file_permissions), NULL, 8) & 0777;
	int fd;

	if (str_eq(buf_view(&out.path), STR(STDOUT_NAME)))
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(buf_cstr(&out.path),
		    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, mode);
	if (fd == -1) {
		log_error("open %s: %s", buf_cstr(&out.path), strerror(errno));
		return false;
	}
	hand_over(fd);
	if (out.fd != -1)
		io_close(&out.fd);
	out.fd = fd;
	return true;
}

/* A connection to the system's log; -1 when there is none now. */
static int
connect_syslog(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SYSLOG_PATH};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		io_close(&fd);
	return fd;
}

bool
output_open(void)
{
	if (gethostname(out.host, sizeof(out.host) - 1) == -1)
		snprintf(out.host, sizeof(out.host), "localhost");
	out.host[strcspn(out.host, ".")] = '\0';
	tzset();
	buf_str(&out.asked, conf_str(conf_get(), P_maillog_file));
	if (choose_path(&out.path)) {
		if (open_file())
			return true;
		out.elsewhere = true;
		if (fallback_path(&out.path))
			return open_file();
	}
	out.syslog = connect_syslog();
	return true;
}

bool
output_moved(void)
{
	return out.elsewhere || !str_eq(buf_view(&out.asked), conf_str(conf_get(), P_maillog_file));
}

void
output_reopen(bool force)
{
	struct stat by_name, by_fd;

	if (out.fd == -1 || str_eq(buf_view(&out.path), STR(STDOUT_NAME)))
		return;
	if (!force && clock_mono_ms() - out.looked_ms < 1000)
		return;
	out.looked_ms = clock_mono_ms();
	if (stat(buf_cstr(&out.path), &by_name) == 0 && fstat(out.fd, &by_fd) == 0 &&
	    by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev)
		return;
	output_flush();
	open_file();
}

/* "Nov 22 06:07:42", made once a second. */
static const char *
stamp(void)
{
	time_t now = clock_wall();
	struct tm tm;

	if (now != out.stamp_at && localtime_r(&now, &tm)) {
		out.stamp_at = now;
		strftime(out.stamp, sizeof(out.stamp), "%b %e %H:%M:%S", &tm);
	}
	return out.stamp;
}

static int
priority(int level)
{
	switch (level) {
	case LOG_LEVEL_DEBUG:
	case LOG_LEVEL_INFO:
		return LOG_INFO;
	case LOG_LEVEL_WARNING:
		return LOG_WARNING;
	case LOG_LEVEL_ERROR:
		return LOG_ERR;
	default:
		return LOG_CRIT;
	}
}

/* One datagram per line (RFC 3164). A log daemon that was restarted is connected to again. */
static void
to_syslog(int level, struct str line)
{
	char text[LOG_LINE_MAX + 128];
	int n = snprintf(
	    text, sizeof(text), "<%d>%s %.*s", LOG_MAIL | priority(level), stamp(), STR_ARG(line));

	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	for (int try = 0; try < 2; try++) {
		if (out.syslog != -1 && send(out.syslog, text, (size_t)n, MSG_NOSIGNAL) != -1) {
			out.failing = false;
			return;
		}
		if (out.syslog != -1)
			io_close(&out.syslog);
		out.syslog = connect_syslog();
	}
	out.failing = true;
	out.lost++;
}

static void
put_line(int level, struct str line)
{
	if (out.fd == -1) {
		to_syslog(level, line);
		return;
	}
	buf_printf(&out.lines, "%s %s %.*s\n", stamp(), out.host, STR_ARG(line));
	out.gathered++;
	if (out.lines.len >= FLUSH_AT)
		output_flush();
}

/* It works again: what is missing is said. */
static void
tell_lost(void)
{
	struct buf text = {0};

	buf_printf(&text, "%s/postlogd[%d]: warning: %" PRIu64 " log lines could not be written",
	    conf_cstr(conf_get(), P_syslog_name), (int)getpid(), out.lost);
	out.lost = 0;
	put_line(LOG_LEVEL_WARNING, buf_view(&text));
	buf_free(&text);
}

void
output_line(int level, struct str line)
{
	put_line(level, line);
	if (out.lost > 0 && !out.failing)
		tell_lost();
}

void
output_flush(void)
{
	if (out.fd != -1 && out.lines.len > 0) {
		out.failing = io_write_all(out.fd, out.lines.data, out.lines.len) == -1;
		if (out.failing)
			out.lost += out.gathered;
	}
	out.gathered = 0;
	buf_reset(&out.lines);
}
