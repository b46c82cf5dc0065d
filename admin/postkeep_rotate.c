/*
 * postkeep_rotate - logrotate: the log file gets a name with the time, and a new one is begun
 *
 * The old file is compressed only when the log writer has let go of it, so that no line is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/service/control.h"
#include "lib/service/endpoint.h"

#define REOPEN_MS 10000
#define ASK_AGAIN_MS 500
#define POLL_MS 20
#define COMPRESSOR_WORDS 16

/* The conversions of strftime(3) that a suffix needs; false for another one. */
static bool
add_time(struct buf *out, char letter, const struct tm *tm)
{
	switch (letter) {
	case 'Y':
		buf_printf(out, "%04d", tm->tm_year + 1900);
		return true;
	case 'm':
		buf_printf(out, "%02d", tm->tm_mon + 1);
		return true;
	case 'd':
		buf_printf(out, "%02d", tm->tm_mday);
		return true;
	case 'H':
		buf_printf(out, "%02d", tm->tm_hour);
		return true;
	case 'M':
		buf_printf(out, "%02d", tm->tm_min);
		return true;
	case 'S':
		buf_printf(out, "%02d", tm->tm_sec);
		return true;
	case 'j':
		buf_printf(out, "%03d", tm->tm_yday + 1);
		return true;
	case '%':
		buf_putc(out, '%');
		return true;
	default:
		return false;
	}
}

static bool
target_name(const struct postkeep *p, const char *file, struct buf *target)
{
	struct str format = conf_str(p->conf, P_maillog_file_rotate_suffix);
	time_t now = clock_wall();
	struct tm tm;
	bool ok = format.len > 0 && localtime_r(&now, &tm);

	buf_printf(target, "%s.", file);
	for (size_t i = 0; ok && i < format.len; i++) {
		if (format.data[i] == '/' || format.data[i] == '\0')
			ok = false;
		else if (format.data[i] != '%')
			buf_putc(target, format.data[i]);
		else
			ok = ++i < format.len && add_time(target, format.data[i], &tm);
	}
	if (!ok) {
		postkeep_say(
		    "error: maillog_file_rotate_suffix = %.*s: only %%Y %%m %%d %%H %%M %%S "
		    "%%j and plain characters make a name",
		    STR_ARG(format));
		return false;
	}
	if (access(buf_cstr(target), F_OK) == 0) {
		postkeep_say("error: %s exists already", buf_cstr(target));
		return false;
	}
	return true;
}

/*
 * The log writer cannot make a file where only root may: it finds one of its own. Mode and owner are
 * set before anybody can have opened it.
 */
static bool
make_new(const struct postkeep *p, const char *file)
{
	mode_t mode =
	    (mode_t)strtol(conf_cstr(p->conf, P_maillog_file_permissions), NULL, 8) & 0777;
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct service_ids ids;
	struct buf why = {0};
	bool ok = fd >= 0 && service_ids_load(p->conf, &ids, &why) &&
	    (ids.unprivileged || fchown(fd, ids.uid[SERVICE_USER_WORK], (gid_t)-1) == 0) &&
	    fchmod(fd, mode) == 0;

	/* The log writer may have been quicker. */
	if (fd < 0 && errno == EEXIST)
		return true;
	if (!ok)
		postkeep_say("error: cannot make a new %s: %s", file,
		    why.len > 0 ? buf_cstr(&why) : strerror(errno));
	io_close(&fd);
	buf_free(&why);
	return ok;
}

static bool
has_content(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 && st.st_size > 0;
}

/*
 * Master logs a line after each request; when it stands in the new file, the log writer has let the old
 * one go.
 */
static bool
wait_for_new(struct postkeep *p, const char *file)
{
	int64_t now = clock_mono_ms(), until = now + REOPEN_MS;
	struct buf why = {0};
	bool ok = true;

	while (ok && !has_content(file) && now < until) {
		int64_t again = now + ASK_AGAIN_MS;

		ok = control_ask(postkeep_queue(p), CONTROL_LOG_REOPEN, postkeep_say_line, &why) ==
		    CONTROL_DONE;
		while (ok && !has_content(file) && (now = clock_mono_ms()) < again)
			nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
	}
	if (why.len > 0)
		postkeep_say("error: %s", buf_cstr(&why));
	else if (ok && !has_content(file))
		postkeep_say("error: the log writer has not begun a new file");
	buf_free(&why);
	return ok && has_content(file);
}

static int
compress(const struct postkeep *p, const char *file)
{
	struct str rest = conf_str(p->conf, P_maillog_file_compressor), word;
	const char *argv[COMPRESSOR_WORDS + 2];
	struct buf words[COMPRESSOR_WORDS] = {{0}};
	size_t n = 0;
	int status;

	while (n < COMPRESSOR_WORDS && str_token(&rest, " \t", &word)) {
		buf_str(&words[n], word);
		argv[n] = buf_cstr(&words[n]);
		n++;
	}
	if (n == 0)
		return 0;
	argv[n] = file;
	argv[n + 1] = NULL;
	status = postkeep_run(argv);
	if (status != 0)
		postkeep_say("error: maillog_file_compressor (%s %s) has failed: exit status %d",
		    argv[0], file, status);
	for (size_t i = 0; i < n; i++)
		buf_free(&words[i]);
	return status == 0 ? 0 : 1;
}

int
postkeep_logrotate(struct postkeep *p)
{
	const char *file = conf_cstr(p->conf, P_maillog_file);
	struct buf target = {0};
	struct stat st;
	int status = 1;

	if (file[0] == '\0' || str_starts(str_c(file), STR("/dev/"))) {
		postkeep_say(
		    "error: maillog_file is not set to a file: there is nothing to rotate");
		return 1;
	}
	if (lstat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
		postkeep_say("error: %s is not a plain file", file);
		return 1;
	}
	if (target_name(p, file, &target)) {
		if (rename(file, buf_cstr(&target)) < 0)
			postkeep_say("error: cannot rename %s to %s: %s", file, buf_cstr(&target),
			    strerror(errno));
		else if (!make_new(p, file) ||
		    (postkeep_running(p).pid > 0 && !wait_for_new(p, file)))
			postkeep_say("error: %s is left as it is, uncompressed", buf_cstr(&target));
		else
			status = compress(p, buf_cstr(&target));
	}
	buf_free(&target);
	return status;
}
