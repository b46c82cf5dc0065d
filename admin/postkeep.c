/*
 * postkeep - start, stop, check and maintain the suite
 *
 *	postkeep [-c config_directory] [-v] command
 *
 * Exit status: 0 done, 1 failed, 64 usage. Messages go to standard error.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

enum need {
	NEED_NOTHING, /* the version */
	NEED_CONFIG,  /* works with a configuration that has errors, too */
	NEED_SUITE,   /* is about the suite that main.cf names */
	NEED_RIGHTS,  /* the same, and for its own user */
};

struct command {
	const char *name;
	int (*run)(struct postkeep *p);
	enum need need;
	const char *help;
	int arguments; /* it may have so many */
};

static const struct command commands[] = {
    {"start", postkeep_start, NEED_RIGHTS, "check, start, return when all sockets listen"},
    {"start-fg", postkeep_start_fg, NEED_RIGHTS, "the same, in the foreground"},
    {"stop", postkeep_stop, NEED_RIGHTS, "let deliveries in progress end, then stop"},
    {"abort", postkeep_abort, NEED_RIGHTS, "stop at once"},
    {"reload", postkeep_reload, NEED_RIGHTS, "take up the configuration; nothing is interrupted"},
    {"status", postkeep_status, NEED_SUITE, "does it run, since when, with what"},
    {"check", postkeep_check, NEED_RIGHTS, "look at everything, report all problems"},
    {"flush", postkeep_flush, NEED_RIGHTS, "try all queued mail now"},
    {"set-permissions", postkeep_set_permissions, NEED_CONFIG, "make users and directories"},
    {"logrotate", postkeep_logrotate, NEED_RIGHTS, "rename maillog_file and begin a new one"},
    {"probe", postkeep_probe, NEED_CONFIG,
	"[host[:port] | domain]: can mail go there, and if not, why not", 1},
    {"tlsrpt", postkeep_tlsrpt, NEED_CONFIG,
	"[--date YYYY-MM-DD] [--domain domain] [--all]: a day's reports on the TLS of others", 5},
    {"version", postkeep_version, NEED_NOTHING, "say the version"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

void
postkeep_say(const char *format, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&b, format, ap);
	va_end(ap);
	log_printable(b.data, b.len);
	fprintf(stderr, "postkeep: %s\n", buf_cstr(&b));
	buf_free(&b);
}

void
postkeep_say_line(const char *line)
{
	postkeep_say("%s", line);
}

void
postkeep_print_problems(const struct conf_problems *problems, bool notes)
{
	static const char *const words[] = {[CONF_ERROR] = "error",
	    [CONF_WAITS] = "error",
	    [CONF_WARNING] = "warning",
	    [CONF_MISSED] = "warning",
	    [CONF_NOTE] = "note"};

	for (size_t i = 0; i < problems->count; i++) {
		const struct conf_problem *p = &problems->list[i];

		if (p->severity == CONF_NOTE && !notes)
			continue;
		if (p->file && p->line > 0)
			postkeep_say(
			    "%s: %s, line %zu: %s", words[p->severity], p->file, p->line, p->text);
		else if (p->file)
			postkeep_say("%s: %s: %s", words[p->severity], p->file, p->text);
		else
			postkeep_say("%s: %s", words[p->severity], p->text);
	}
}

const char *
postkeep_queue(const struct postkeep *p)
{
	return conf_cstr(p->conf, P_queue_directory);
}

struct pidfile_info
postkeep_running(const struct postkeep *p)
{
	struct pidfile_info info;
	struct buf why = {0};

	if (!pidfile_query(postkeep_queue(p), &info, &why)) {
		postkeep_say(
		    "error: cannot tell whether the mail system is running: %s", buf_cstr(&why));
		exit(1);
	}
	return info;
}

int
postkeep_run(const char *const *argv)
{
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *const environment[] = {path, locale, NULL};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		/* The search goes by the environment of this process, whoever set that. */
		if (setenv("PATH", path + strlen("PATH="), 1) == 0)
			execvpe(argv[0], (char *const *)argv, environment);
		_exit(127);
	}
	if (pid < 0)
		return 127;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
postkeep_version(struct postkeep *p)
{
	(void)p;
	printf("%s\n", PACKAGE_STRING);
	return 0;
}

static void __attribute__((noreturn)) usage(const char *wrong)
{
	if (wrong)
		postkeep_say("unknown command \"%s\"", wrong);
	fprintf(stderr, "usage: postkeep [-c config_directory] [-v] command\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(stderr, "  %-16s %s\n", commands[i].name, commands[i].help);
	exit(64);
}

static void
read_configuration(struct postkeep *p, const char *dir)
{
	p->conf = conf_load(dir, NULL, 0, &p->problems);
	p->config_dir = realpath(conf_dir(p->conf), NULL);
	if (!p->config_dir) {
		postkeep_say(
		    "error: configuration directory %s: %s", conf_dir(p->conf), strerror(errno));
		exit(1);
	}
	log_name(conf_cstr(p->conf, P_syslog_name), "postkeep");
}

/* Without main.cf it would be another suite's spool, or none, that is looked at. */
static void
check_readable(const struct postkeep *p)
{
	if (!conf_unread(p->conf))
		return;
	postkeep_say("error: open %s: %s", conf_file(p->conf), strerror(conf_unread(p->conf)));
	exit(1);
}

/* A suite is run by the one whose spool it is. */
static void
check_rights(const struct postkeep *p)
{
	struct stat st;

	if (geteuid() == 0 || stat(postkeep_queue(p), &st) < 0 || st.st_uid == geteuid())
		return;
	postkeep_say("error: %s belongs to %s: this command is for that user alone",
	    postkeep_queue(p), st.st_uid == 0 ? "root" : "another user");
	exit(1);
}

/* Standard descriptors that the caller left closed would be taken by files and sockets. */
static void
open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		exit(1);
	close(fd);
}

int
main(int argc, char **argv)
{
	struct postkeep p = {0};
	const struct command *command = NULL;
	const char *dir = NULL;
	int option, status;

	open_standard_descriptors();
	umask(022);
	/* Where the caller ignores it, what became of a program that this one starts would not be known. */
	signal(SIGCHLD, SIG_DFL);
	while ((option = getopt(argc, argv, "+c:Dv")) != -1) {
		if (option == 'c')
			dir = optarg;
		else if (option == 'v')
			p.verbose++;
		else if (option != 'D')
			usage(NULL);
	}
	if (argc - optind < 1)
		usage(NULL);
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, argv[optind]) == 0)
			command = &commands[i];
	if (!command)
		usage(argv[optind]);
	p.arguments = argv + optind + 1;
	if (argc - optind - 1 > command->arguments)
		usage(NULL);
	if (command->need != NEED_NOTHING)
		read_configuration(&p, dir);
	if (command->need >= NEED_SUITE)
		check_readable(&p);
	if (command->need == NEED_RIGHTS)
		check_rights(&p);
	status = command->run(&p);
	conf_problems_free(&p.problems);
	conf_free(&p.conf);
	free(p.config_dir);
	return status;
}
