/*
 * postkeep_rotate - logrotate: the log file gets a name with the time, and a new one is begun
 *
 * The old file is compressed only when the log writer has let go of it, so that no line is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/base/clock.h"
#include "lib/service/control.h"

#define REOPEN_MS 10000
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

/* The log writer has the old file open until the new one is there. */
static bool
wait_for_new(const char *file)
{
	int64_t until = clock_mono_ms() + REOPEN_MS;

	while (access(file, F_OK) < 0) {
		if (clock_mono_ms() >= until)
			return false;
		nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
	}
	return true;
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

/* Tells the log writer; true when it writes to the old file no more. */
static bool
let_go(struct postkeep *p, const char *file)
{
	struct buf why = {0};
	bool ok;

	if (postkeep_running(p).pid == 0)
		return true;
	ok = control_ask(postkeep_queue(p), CONTROL_LOG_REOPEN, postkeep_say_line, &why) ==
	    CONTROL_DONE;
	if (ok && !wait_for_new(file)) {
		postkeep_say("error: the log writer has not begun a new file");
		ok = false;
	} else if (why.len > 0) {
		postkeep_say("error: %s", buf_cstr(&why));
	}
	buf_free(&why);
	return ok;
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
		else if (!let_go(p, file))
			postkeep_say("error: %s is left as it is, uncompressed", buf_cstr(&target));
		else
			status = compress(p, buf_cstr(&target));
	}
	buf_free(&target);
	return status;
}
