/* fail - to the user's terminal and to the log; see fail.h */
#include "sendmail/fail.h"

#include <stdarg.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/ipc/postlog.h"

#define PROGRAM "sendmail"

static void
say(enum log_level level, const char *text)
{
	log_to_stderr();
	log_as(PROGRAM, level, "%s", text);
	if (conf_get()) {
		postlog_use(conf_cstr(conf_get(), P_queue_directory));
		log_as(PROGRAM, level, "%s", text);
		log_to_stderr();
	}
}

static void vsay(enum log_level level, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
vsay(enum log_level level, const char *format, va_list ap)
{
	struct buf text = {0};

	buf_vprintf(&text, format, ap);
	say(level, buf_cstr(&text));
	buf_free(&text);
}

void
fail(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(LOG_LEVEL_FATAL, format, ap);
	va_end(ap);
	exit(status);
}

void
caution(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(LOG_LEVEL_WARNING, format, ap);
	va_end(ap);
}
