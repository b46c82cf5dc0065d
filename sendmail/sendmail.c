/*
 * sendmail - the interface that programs know: mail by standard input
 *
 * Also mailq and newaliases, by the name it is called with. Runs as its caller, without privileges of
 * any kind, and needs none: postdrop puts the message where pickup finds it. Exit status as sysexits.h:
 * 0 only when the message is on stable storage, 75 when trying again may help.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "sendmail/enqueue.h"
#include "sendmail/fail.h"
#include "sendmail/options.h"
#include "sendmail/run.h"
#include "sendmail/status.h"

#define VERBOSE_MAX 4 /* more -v than this say nothing more */
#define ARGS_MAX 6    /* of a program that this one becomes */
/* All of main.cf that this program asks for. */
static const enum param used[] = {
    P_authorized_submit_users,
    P_command_directory,
    P_daemon_directory,
    P_default_verp_delimiters,
    P_queue_directory,
    P_sendmail_fix_line_endings,
    P_syslog_name,
    P_verp_delimiter_filter,
};

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
usage(const char *why)
{
	fprintf(stderr,
	    "sendmail: %s\n"
	    "usage: sendmail [-t] [-i] [-f sender] [-F full-name] [-N notify] [-R return] [-V "
	    "envid]\n"
	    "                [-B body-type] [-C config] [-bm|-bv|-bs|-bp|-bi|-bd] [-G] [-v] "
	    "[recipient ...]\n"
	    "       sendmail -q | -qIqueue-id | -qRsite\n"
	    "       mailq\n"
	    "       newaliases\n",
	    why);
	exit(EX_USAGE);
}

/* Somebody installed it set-user-id, or runs it from such a program: it is its caller's all the same. */
static void
drop_privileges(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (geteuid() == uid && getegid() == gid)
		return;
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 || geteuid() != uid ||
	    getegid() != gid) {
		fprintf(stderr, "sendmail: cannot give up privileges it should not have\n");
		_exit(EX_OSERR);
	}
}

static void
load_configuration(const struct options *o)
{
	struct conf_problems problems = {0};
	struct conf *conf;

	/* For this program and those it starts. */
	if (o->config_dir && setenv("MAIL_CONFIG", o->config_dir, 1) < 0)
		fail(EX_TEMPFAIL, "setenv: %s", strerror(errno));
	conf = conf_load_some(NULL, used, sizeof(used) / sizeof(used[0]), &problems);
	if (conf_unread(conf))
		fail(EX_TEMPFAIL, "open %s: %s", conf_file(conf), strerror(conf_unread(conf)));
	/* A mistake somewhere in the file is for `postkeep check` to tell; mail is taken all the same. */
	for (size_t i = 0; i < problems.count; i++)
		log_debug("%s, line %zu: %s", problems.list[i].file ? problems.list[i].file : "",
		    problems.list[i].line, problems.list[i].text);
	conf_problems_free(&problems);
	conf_set(conf);
	log_name(conf_cstr(conf, P_syslog_name), "sendmail");
}

/* Becomes DIR/NAME with as many -v as were given, and ARGS, which end with NULL. */
static void
become(const struct options *o, const char *dir, const char *name, const char *const *args)
{
	char *argv[2 + VERBOSE_MAX + ARGS_MAX];
	size_t n = 0;

	argv[n++] = str_dup(str_c(name));
	for (int i = 0; i < o->verbose && i < VERBOSE_MAX; i++)
		argv[n++] = str_dup(STR("-v"));
	for (; *args; args++)
		argv[n++] = str_dup(str_c(*args));
	argv[n] = NULL;
	run_instead(dir, argv);
	fail(status_run(errno), "unable to execute %s/%s: %s", dir, name, strerror(errno));
}

/* Becomes the postqueue that flushes what was chosen, if anything was. */
static void
flush_chosen(const struct options *o, const char *dir)
{
	const char *args[ARGS_MAX + 1];
	size_t n = 0;

	if (o->flush_id || o->flush_site) {
		args[n++] = o->flush_id ? "-i" : "-s";
		args[n++] = o->flush_id ? o->flush_id : o->flush_site;
	} else if (o->flush_sender || o->flush_recipient) {
		args[n++] = "-f";
	}
	if (o->flush_sender) {
		args[n++] = "--sender";
		args[n++] = o->flush_sender;
	}
	if (o->flush_recipient) {
		args[n++] = "--recipient";
		args[n++] = o->flush_recipient;
	}
	args[n] = NULL;
	if (n > 0)
		become(o, dir, "postqueue", args);
}

static void
run_mode(const struct options *o)
{
	const char *commands = conf_cstr(conf_get(), P_command_directory);

	switch (o->mode) {
	case MODE_ENQUEUE:
		flush_chosen(o, commands);
		enqueue(o);
		break;
	case MODE_MAILQ:
		become(o, commands, "postqueue", ARGS("-p"));
		break;
	case MODE_FLUSH:
		become(o, commands, "postqueue", ARGS("-f"));
		break;
	case MODE_DAEMON:
		become(o, commands, "postkeep", ARGS("start"));
		break;
	case MODE_SMTP:
		check_submitter();
		become(o, conf_cstr(conf_get(), P_daemon_directory), "smtpd", ARGS("-S"));
		break;
	case MODE_NEWALIASES:
		printf("newaliases: this version of Postkeep has no alias tables: nothing to "
		       "rebuild\n");
		break;
	case MODE_NOTHING:
		break;
	}
}

int
main(int argc, char **argv)
{
	struct options o;
	struct buf why = {0};

	if (!io_tidy_descriptors())
		_exit(EX_TEMPFAIL);
	umask(022);
	drop_privileges();
	log_name("postkeep", "sendmail");
	log_fatal_status(EX_TEMPFAIL); /* a lack of memory passes */
	if (!options_parse(argc, argv, &o, &why))
		usage(buf_cstr(&why));
	log_verbose(o.verbose);
	signal(SIGPIPE, SIG_IGN);
	/* Where the caller ignores it, what became of postdrop would not be known. */
	signal(SIGCHLD, SIG_DFL);
	load_configuration(&o);
	if (o.warnings.len)
		caution("%.*s", STR_ARG(str_trim(buf_view(&o.warnings))));
	/* -q30m belongs to a daemon; queue_run_delay does it. */
	if (!o.interval || o.mode == MODE_DAEMON)
		run_mode(&o);
	/* What was accepted is accepted, whoever hears of the report to come. */
	if (fflush(stdout) != 0 && o.mode != MODE_ENQUEUE)
		return EX_IOERR;
	options_free(&o);
	buf_free(&why);
	return EX_OK;
}
