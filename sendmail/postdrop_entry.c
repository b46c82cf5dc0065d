/*
 * postdrop_entry - how a program with privileges begins in a stranger's process
 *
 * See postdrop.h. Until this is done nothing but the built-in configuration directory is looked at.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/ipc/postlog.h"
#include "lib/queue/users.h"
#include "sendmail/postdrop.h"

/* Set by signals alone, read by entry_wait(). */
static volatile sig_atomic_t gave_up;

/* All of main.cf that this program asks for; and those that allow another directory. */
static const enum param used[] = {
    P_authorized_submit_users,
    P_message_size_limit,
    P_queue_directory,
    P_syslog_name,
    P_trigger_timeout,
};
static const enum param allowing[] = {P_alternate_config_directories, P_multi_instance_directories};

static const int ending_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
#define ENDING_SIGNALS (sizeof(ending_signals) / sizeof(ending_signals[0]))

static void
on_signal(int signo)
{
	(void)signo;
	gave_up = 1;
}

/* Ending signals are held back but while waiting for input: what has begun to be stored is stored. */
static void
set_signals(void)
{
	struct sigaction give_up = {.sa_handler = on_signal};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < ENDING_SIGNALS; i++) {
		struct sigaction old;

		if (sigaction(ending_signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ending_signals[i], &give_up, NULL);
		sigaddset(&held, ending_signals[i]);
	}
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	sigaction(SIGALRM, &ignore, NULL);
	sigprocmask(SIG_SETMASK, &held, NULL);
}

bool
entry_wait(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	sigset_t none;

	sigemptyset(&none);
	while (!gave_up) {
		if (ppoll(&p, 1, NULL, &none) >= 0)
			return !gave_up;
		if (errno != EINTR)
			return true; /* the read will tell */
	}
	return false;
}

/* Does more than the caller's own rights stand behind this process? */
static bool
privileged(void)
{
	return geteuid() != getuid() || getegid() != getgid();
}

static bool
listed(const struct conf *conf, enum param p, struct str dir)
{
	struct str rest = conf_str(conf, p);
	struct str item;

	while (conf_list_next(&rest, &item))
		if (str_eq(item, dir))
			return true;
	return false;
}

static bool
conf_was_read(const struct conf *conf, struct verdict *v)
{
	if (conf_unread(conf) == 0)
		return true;
	verdict_set(v, EX_TEMPFAIL, "open %s: %s", conf_file(conf), strerror(conf_unread(conf)));
	return false;
}

/* Asked with the caller's rights first (access(2) takes the real user), so that nothing is told of what these do not reach. */
static bool
is_callers_own(const char *dir)
{
	struct stat st;

	return access(dir, W_OK) == 0 && stat(dir, &st) == 0 && st.st_uid == getuid();
}

/*
 * For a caller's own suite the caller's own rights are enough: all others are given up for good, and then there is
 * nothing that the directory could be misused for.
 */
static void
give_up_privileges(void)
{
	gid_t gid = getgid();
	uid_t uid = getuid();

	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 || privileged())
		log_fatal("cannot give privileges up: %s", strerror(errno));
}

/*
 * May a caller without rights name this directory? Read from the default main.cf, since whoever names
 * another one could let postdrop read, and write, where they cannot.
 */
static bool
directory_allowed(const char *dir, struct verdict *v)
{
	struct conf_problems problems = {0};
	struct conf *conf;
	bool ok;

	if (!privileged() || getuid() == 0 || strcmp(dir, DEFAULT_CONFIG_DIR) == 0)
		return true;
	conf = conf_load_some(
	    DEFAULT_CONFIG_DIR, allowing, sizeof(allowing) / sizeof(allowing[0]), &problems);
	ok = listed(conf, P_alternate_config_directories, str_c(dir)) ||
	    listed(conf, P_multi_instance_directories, str_c(dir));
	if (!ok && is_callers_own(dir)) {
		give_up_privileges();
		ok = true;
	}
	if (!ok && conf_was_read(conf, v))
		verdict_set(v, EX_NOPERM,
		    "%s: not listed in alternate_config_directories of " DEFAULT_CONFIG_DIR
		    "/main.cf",
		    dir);
	conf_problems_free(&problems);
	conf_free(&conf);
	return ok;
}

static bool
parse_arguments(int argc, char **argv, struct entry *e, struct verdict *v)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "+c:rv")) != -1) {
		if (c == 'c')
			e->config_dir = optarg;
		else if (c == 'r')
			e->from_sendmail = true;
		else if (c == 'v')
			e->verbose++;
		else
			break;
	}
	if (c == -1 && optind == argc)
		return true;
	verdict_set(v, EX_USAGE, "usage: postdrop [-c config_dir] [-rv]");
	return false;
}

static bool
load_configuration(const char *dir, struct verdict *v)
{
	struct conf_problems problems = {0};
	struct conf *conf;

	if (!directory_allowed(dir, v))
		return false;
	conf = conf_load_some(dir, used, sizeof(used) / sizeof(used[0]), &problems);
	conf_problems_free(&problems);
	conf_set(conf);
	log_name(conf_cstr(conf, P_syslog_name), "postdrop");
	return conf_was_read(conf, v);
}

static bool
check_submitter(struct verdict *v)
{
	struct buf why = {0};
	struct buf name = {0};
	uid_t uid = getuid();
	enum users_answer allowed =
	    users_allowed(conf_str(conf_get(), P_authorized_submit_users), uid, &why);

	if (allowed == USERS_NO) {
		users_name(uid, &name);
		verdict_set(v, EX_NOPERM,
		    "user %s(%ld) may not submit mail (authorized_submit_users)", buf_cstr(&name),
		    (long)uid);
	} else if (allowed == USERS_ERROR) {
		verdict_set(v, EX_TEMPFAIL, "authorized_submit_users: %s", buf_cstr(&why));
	}
	buf_free(&why);
	buf_free(&name);
	return allowed == USERS_YES;
}

bool
entry(int argc, char **argv, struct entry *e, struct verdict *v)
{
	const char *from_environment = getenv("MAIL_CONFIG");
	char *dir;
	const char *queue;
	bool ok;

	log_fatal_status(EX_TEMPFAIL); /* a lack of memory passes */
	dir = from_environment ? mem_strdup(from_environment) : NULL;
	if (!io_tidy_descriptors())
		_exit(EX_TEMPFAIL);
	if (clearenv() != 0 || setenv("PATH", "/usr/bin:/bin", 1) < 0)
		_exit(EX_TEMPFAIL);
	umask(077);
	set_signals();
	log_name("postkeep", "postdrop");
	log_to_syslog();
	ok = parse_arguments(argc, argv, e, v);
	log_verbose(e->verbose);
	ok = ok &&
	    load_configuration(e->config_dir ? e->config_dir
		    : dir                    ? dir
					     : DEFAULT_CONFIG_DIR,
		v);
	free(dir);
	if (!ok || !check_submitter(v))
		return false;
	queue = conf_cstr(conf_get(), P_queue_directory);
	if (chdir(queue) < 0) {
		verdict_set(v, EX_TEMPFAIL, "chdir %s: %s", queue, strerror(errno));
		return false;
	}
	postlog_use(".");
	return true;
}
