/*
 * postlog - writes to the log of the mail system, for scripts
 *
 * One line from the arguments, or each line of standard input. For everybody; postlogd (or syslog, when
 * it does not run) makes the text printable and bounds it, as it does for the suite's own programs.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/ipc/postlog.h"

#define LINE_MAX_BYTES LOG_LINE_MAX
#define FATAL_PAUSE_S 1 /* as Postfix's programs pause before they end for a fatal error */

struct level {
	const char *name;
	enum log_level level;
	int priority; /* syslog's */
	const char *prefix;
};

static const struct level levels[] = {
    {"info", LOG_LEVEL_INFO, LOG_INFO, ""},
    {"warn", LOG_LEVEL_WARNING, LOG_WARNING, "warning: "},
    {"warning", LOG_LEVEL_WARNING, LOG_WARNING, "warning: "},
    {"error", LOG_LEVEL_ERROR, LOG_ERR, "error: "},
    {"fatal", LOG_LEVEL_FATAL, LOG_CRIT, "fatal: "},
    {"panic", LOG_LEVEL_PANIC, LOG_CRIT, "panic: "},
};

struct writer {
	const struct level *level;
	char *tag;
	int fd; /* postlogd, or -1: syslog */
};

static void
usage(void)
{
	fprintf(stderr, "usage: postlog [-iv] [-c config_dir] [-p priority] [-t tag] [text...]\n");
	exit(EX_USAGE);
}

static const struct level *
find_level(const char *name)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(levels[i].name, name) == 0)
			return &levels[i];
	fprintf(
	    stderr, "postlog: unknown priority \"%s\": info, warn, error, fatal or panic\n", name);
	usage();
	return NULL;
}

static void
write_line(const struct writer *w, struct str text)
{
	struct buf record = {0};
	struct buf shown = {0};

	buf_str(&shown, str_trim_end(str_sub(text, 0, LINE_MAX_BYTES)));
	log_printable(shown.data, shown.len);
	fprintf(stderr, "%s: %s%s\n", w->tag, w->level->prefix, buf_cstr(&shown));
	buf_printf(&record, "%d%s[%ld]: %s%s\n", (int)w->level->level, w->tag, (long)getpid(),
	    w->level->prefix, buf_cstr(&shown));
	if (w->fd < 0 || send(w->fd, record.data, record.len, MSG_NOSIGNAL) < 0)
		syslog(w->level->priority, "%s%s", w->level->prefix, buf_cstr(&shown));
	buf_free(&record);
	buf_free(&shown);
}

static void
write_arguments(const struct writer *w, char **argv)
{
	struct buf text = {0};

	for (char **p = argv; *p; p++)
		buf_printf(&text, "%s%s", p == argv ? "" : " ", *p);
	write_line(w, buf_view(&text));
	buf_free(&text);
}

static void
write_input(const struct writer *w)
{
	char line[LINE_MAX_BYTES];

	while (fgets(line, sizeof(line), stdin))
		write_line(w, str_n(line, strlen(line)));
}

static void
open_log(struct writer *w, const char *config_dir, const char *tag)
{
	struct conf_problems problems = {0};
	struct buf text = {0};
	const char *name = getenv("MAIL_LOGTAG");

	conf_set(conf_load(config_dir, NULL, 0, &problems));
	conf_problems_free(&problems);
	if (tag)
		buf_puts(&text, tag);
	else
		buf_printf(&text, "%s/postlog", name ? name : conf_cstr(conf_get(), P_syslog_name));
	w->tag = buf_take(&text);
	log_printable(w->tag, strlen(w->tag));
	w->fd = postlog_connect(conf_cstr(conf_get(), P_queue_directory));
	if (w->fd < 0)
		openlog(w->tag, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

int
main(int argc, char **argv)
{
	struct writer w = {.level = &levels[0]};
	const char *config_dir = NULL;
	const char *tag = NULL;
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "+c:ip:t:v")) != -1) {
		if (c == 'c')
			config_dir = optarg;
		else if (c == 'p')
			w.level = find_level(optarg);
		else if (c == 't')
			tag = optarg;
		else if (c != 'i' && c != 'v')
			usage();
	}
	open_log(&w, config_dir, tag);
	if (argv[optind])
		write_arguments(&w, argv + optind);
	else
		write_input(&w);
	if (w.level->level >= LOG_LEVEL_FATAL)
		sleep(FATAL_PAUSE_S);
	io_close(&w.fd);
	free(w.tag);
	return EX_OK;
}
