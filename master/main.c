/*
 * master - holds the suite's listening sockets and starts, counts, reloads and restarts its programs
 *
 *	master -c CONFIG_DIRECTORY [-d] [-r FD] [-v]
 *	-d  stay in the foreground: log to standard output unless maillog_file is set
 *	-r  descriptor on which `postkeep start` waits for the result
 *
 * Everything that can be wrong is looked at first; with an error nothing has been changed or started.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/service/pidfile.h"
#include "master/master.h"

/* How long the processes that always run may take before `postkeep start` is told of it. */
#define REPORT_MS 10000
/* A killed master's children need a moment to give their sockets up. */
#define STALE_PATIENCE_MS 5000
/* The log socket, at most what net.core.wmem_max allows. */
#define LOG_SOCKET_BYTES (1 << 20)

static void
print_problem(const struct conf_problem *p, void (*line)(const char *format, ...))
{
	if (p->file)
		line("%s, line %zu: %s", p->file, p->line, p->text);
	else
		line("%s", p->text);
}

void
master_log_problems(const struct conf_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct conf_problem *p = &problems->list[i];

		if (p->severity == CONF_ERROR)
			print_problem(p, log_error);
		else if (p->severity != CONF_NOTE)
			print_problem(p, log_warning);
	}
}

static void
usage(void)
{
	fprintf(stderr,
	    "usage: master -c config_directory [-d] [-r fd] [-v]\n"
	    "(it is started by \"postkeep start\")\n");
	exit(64);
}

static void
read_arguments(struct master *m, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:dDr:v")) != -1) {
		switch (option) {
		case 'c':
			m->config_dir = optarg;
			break;
		case 'd':
			m->foreground = true;
			break;
		case 'D':
			break;
		case 'r':
			m->report_fd = atoi(optarg);
			if (m->report_fd <= STDERR_FILENO || io_set_cloexec(m->report_fd, true) < 0)
				usage();
			break;
		case 'v':
			m->verbose++;
			break;
		default:
			usage();
		}
	}
	if (!m->config_dir || m->config_dir[0] != '/' || optind != argc)
		usage();
}

static void
give_up(const struct conf_problems *problems)
{
	master_log_problems(problems);
	exit(1);
}

static void
add_problem(struct conf_problems *problems, struct buf *why)
{
	conf_problem(problems, CONF_ERROR, NULL, 0, "%s", buf_cstr(why));
	buf_free(why);
}

/* Reads everything; nothing is changed. */
static void
read_configuration(struct master *m, struct conf_problems *problems)
{
	m->conf = conf_load(m->config_dir, NULL, 0, problems);
	log_name(conf_cstr(m->conf, P_syslog_name), "master");
	m->plan = plan_load(m->conf, m->config_dir, problems);
	tree_users(m->conf, &m->ids, problems);
}

/* With errors elsewhere: whether the addresses are free is said in the same breath. */
static void
probe_addresses(struct master *m, struct conf_problems *problems)
{
	struct pidfile_info running;
	struct buf why = {0};

	if (pidfile_query(conf_cstr(m->conf, P_queue_directory), &running, &why) &&
	    running.pid == 0 && !running.stale)
		plan_probe(m->plan, problems);
	buf_free(&why);
}

static void
take_possession(struct master *m, struct conf_problems *problems)
{
	const char *queue = conf_cstr(m->conf, P_queue_directory);
	struct buf why = {0};
	bool stale = false;

	if (!tree_walk(m->conf, &m->ids, TREE_START, problems, NULL))
		return;
	if (chdir(queue) < 0) {
		conf_problem(problems, CONF_ERROR, NULL, 0, "cannot change to %s: %s", queue,
		    strerror(errno));
		return;
	}
	if (!pidfile_take(m->config_dir, &stale, &why)) {
		add_problem(problems, &why);
		return;
	}
	if (!listen_open(m, m->plan, stale ? STALE_PATIENCE_MS : 0, problems)) {
		pidfile_release();
		return;
	}
	if (!control_open(m, &why)) {
		add_problem(problems, &why);
		listen_close_all(m);
		pidfile_release();
	}
}

static void
open_signals(struct master *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	/* Whoever started this process may ignore it, and then nobody would hear of processes that end. */
	signal(SIGCHLD, SIG_DFL);
	m->signal_fd = -1;
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->signal_fd < 0)
		log_fatal("cannot wait for signals: %s", strerror(errno));
}

/* From here on lines go to the log writer; they wait in the socket until it has started. */
static void
open_log(struct master *m)
{
	int pair[2], on = 1, size = LOG_SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    /* From the first line on the kernel says who wrote it. */
	    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    io_set_nonblocking(pair[1], true) < 0)
		log_fatal("cannot make the log socket: %s", strerror(errno));
	/* As much of it as the system grants: all daemons share it, and the log writer reads in batches. */
	(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	m->log_read = pair[0];
	m->log_write = pair[1];
	log_to_socket(m->log_write, false);
	log_verbose(m->verbose);
}

static void
raise_to_hard(int resource, const char *what)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(resource, &limit) < 0)
			log_warning("cannot raise the limit of %s: %s", what, strerror(errno));
	}
}

/*
 * The limits of the shell that this was started from are meant for its user's programs: with that of file sizes, mail
 * that main.cf allows would be refused, and mailboxes would stop growing.
 */
static void
raise_limits(void)
{
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

	raise_to_hard(RLIMIT_NOFILE, "open files");
	if (setrlimit(RLIMIT_FSIZE, &none) < 0)
		raise_to_hard(RLIMIT_FSIZE, "file sizes");
	if (setrlimit(RLIMIT_CPU, &none) < 0)
		raise_to_hard(RLIMIT_CPU, "processor time");
}

/* Standard descriptors that the caller left closed would be taken by sockets. */
static void
open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		log_fatal("cannot open /dev/null: %s", strerror(errno));
	dup2(fd, STDIN_FILENO);
	io_close(&fd);
}

static void
start_up(struct master *m)
{
	struct conf_problems problems = {0};

	read_configuration(m, &problems);
	if (problems.errors > 0) {
		probe_addresses(m, &problems);
		give_up(&problems);
	}
	take_possession(m, &problems);
	if (problems.errors > 0)
		give_up(&problems);
	open_log(m);
	master_log_problems(&problems);
	conf_problems_free(&problems);
	m->environment = environment_make(m->conf, m->config_dir);
	log_info("daemon started -- version %s, configuration %s", PACKAGE_VERSION, m->config_dir);
	m->report_deadline = clock_mono_ms() + REPORT_MS;
	services_adopt(m, m->plan, NULL);
	jail_link(m->plan);
}

int
main(int argc, char **argv)
{
	struct master m = {.report_fd = -1, .control_fd = -1};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	open_standard_descriptors();
	read_arguments(&m, argc, argv);
	/* No core of root's memory, and nobody of the same user looks into an ordinary user's master. */
	prctl(PR_SET_DUMPABLE, 0);
	umask(022);
	m.cores = cores > 0 ? (int)cores : 1;
	list_init(&m.services);
	list_init(&m.listeners);
	list_init(&m.children);
	raise_limits();
	open_signals(&m);
	start_up(&m);
	loop_run(&m);
	services_free(&m);
	listen_close_all(&m);
	control_close(&m);
	pidfile_release();
	environment_free(&m.environment);
	plan_free(&m.plan);
	conf_free(&m.conf);
	return m.exit_status;
}
