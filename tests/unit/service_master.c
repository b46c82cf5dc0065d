/* service_master - the master that test_service and test_confine start service_probe under. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "tests/unit/service_master.h"

#define PATIENCE_MS 10000 /* for what must come: long, since machines may be busy */

static void
in_dir(const struct probe *p, const char *name, char *path, size_t size)
{
	assert_true((size_t)snprintf(path, size, "%s/%s", p->dir, name) < size);
}

void
probe_settings(struct probe *p, const char *settings)
{
	struct buf text = {0};
	char path[64];

	buf_printf(&text,
	    "queue_directory = %s\nmail_owner = " OWNER_USER "\nmail_work_user = " WORK_USER
	    "\nmail_network_user = " NETWORK_USER "\nsetgid_group = " DROP_GROUP
	    "\nmyhostname = one.example\nsyslog_name = test\n%s\n",
	    p->dir, settings ? settings : "");
	in_dir(p, "main.cf", path, sizeof(path));
	assert_int_equal(io_replace_file(path, text.data, text.len, 0644), 0);
	buf_free(&text);
}

static void
make_dir(struct probe *p, const char *name, mode_t mode)
{
	char path[64];

	in_dir(p, name, path, sizeof(path));
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
make_socket(struct probe *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	in_dir(p, "private/x", p->socket, sizeof(p->socket));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->socket);
	p->listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listen, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(p->listen, 20), 0);
	assert_int_equal(chmod(p->socket, 0666), 0);
}

static void
make_fifo(struct probe *p)
{
	in_dir(p, "private/x", p->socket, sizeof(p->socket));
	assert_int_equal(mkfifo(p->socket, 0666), 0);
	p->listen = open(p->socket, O_RDWR | O_CLOEXEC);
	assert_true(p->listen >= 0);
}

static void
make_surroundings(struct probe *p, const struct probe_options *o)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/test_service.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(chmod(p->dir, 0755), 0);
	make_dir(p, "private", 0755);
	make_dir(p, "jail", 0755);
	make_dir(p, "jail/smtpd", 0755);
	make_dir(p, "jail/anvil", o->open_jail ? 0777 : 0755);
	probe_settings(p, o->settings);
	if (o->trigger)
		make_fifo(p);
	else
		make_socket(p);
}

/* service_probe lies beside the test program (which libtool may have put into .libs). */
static void
find_probe(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	assert_true(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	*slash = '\0';
	slash = strrchr(path, '/');
	if (slash && strcmp(slash, "/.libs") == 0)
		*slash = '\0';
	assert_true(strlen(path) + sizeof("/service_probe") <= size);
	strcat(path, "/service_probe");
}

static void
become_ordinary(void)
{
	struct passwd *pw = getpwnam(NETWORK_USER);

	if (pw == NULL || setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0)
		_exit(125);
}

static bool
runs_here(const char *path, const struct probe_options *o)
{
	pid_t pid;
	int status;

	if (!o->ordinary || geteuid() != 0)
		return true;
	pid = fork();
	if (pid == 0) {
		become_ordinary();
		_exit(access(path, X_OK) == 0 ? 0 : 1);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* In the child: the descriptors, the user, the arguments. Does not come back. */
static void
be_probe(const struct probe *p, const struct probe_options *o, const char *path, const int fds[3])
{
	struct rlimit files;
	const char *argv[24] = {path, "-n", "test", "-t", "unix", "-c", p->dir, "-v"};
	size_t n = 8;

	/* First out of the way of the numbers they are to get. */
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && fcntl(fds[i], F_DUPFD, 100 + i) != 100 + i)
			_exit(126);
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && dup2(100 + i, o->standalone ? i : 3 + i) < 0)
			_exit(126);
	(void)close_range(o->standalone ? 3 : 6, 200, 0);
	if (o->standalone)
		argv[n++] = "-S";
	if (o->jail)
		argv[n++] = "-j";
	if (o->user)
		argv[n++] = "-u";
	for (size_t i = 0; i < 4 && (o->endpoint[i] || (i == 0 && !o->standalone)); i++) {
		argv[n++] = "-L";
		argv[n++] = o->endpoint[i] ? o->endpoint[i] : "unix:private/x";
	}
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		_exit(124);
	if (o->files > 0)
		files.rlim_cur = o->files;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		_exit(124);
	if (o->ordinary && geteuid() == 0)
		become_ordinary();
	if (chdir(p->dir) != 0 ||
	    setenv("PROBE_PROGRAM", o->program ? o->program : "smtpd", 1) != 0)
		_exit(123);
	execv(path, (char *const *)argv);
	_exit(127);
}

bool
probe_start(struct probe *p, const struct probe_options *o)
{
	char path[512];
	int status[2], log[2];

	memset(p, 0, sizeof(*p));
	p->status = p->log = p->listen = p->connection = -1;
	find_probe(path, sizeof(path));
	if (!runs_here(path, o))
		return false;
	make_surroundings(p, o);
	assert_int_equal(
	    socketpair(
		AF_UNIX, (o->standalone ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC, 0, status),
	    0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, log), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		int fds[3] = {status[1], log[1], p->listen};
		int lone[3] = {status[1], status[1], log[1]};

		be_probe(p, o, path, o->standalone ? lone : fds);
	}
	assert_int_equal(close(status[1]), 0);
	assert_int_equal(close(log[1]), 0);
	p->log = log[0];
	*(o->standalone ? &p->connection : &p->status) = status[0];
	return true;
}

void
probe_clean(struct probe *p)
{
	char path[64];
	static const char *const names[] = {
	    "private/x", "private", "jail/smtpd", "jail/anvil", "jail", "main.cf", "made-by-probe"};

	if (p->pid > 0) {
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL, 0);
	}
	(void)io_close(&p->status);
	(void)io_close(&p->log);
	(void)io_close(&p->listen);
	(void)io_close(&p->connection);
	buf_free(&p->lines);
	for (size_t i = 0; p->dir[0] && i < sizeof(names) / sizeof(names[0]); i++) {
		in_dir(p, names[i], path, sizeof(path));
		(void)remove(path);
	}
	if (p->dir[0])
		assert_int_equal(rmdir(p->dir), 0);
	memset(p, 0, sizeof(*p));
}

static bool
readable(int fd, int ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, ms) > 0;
}

bool
probe_reports(struct probe *p, int ms, struct service_status *status)
{
	if (!readable(p->status, ms))
		return false;
	return recv(p->status, status, sizeof(*status), MSG_DONTWAIT) == sizeof(*status);
}

struct service_status
probe_report(struct probe *p)
{
	struct service_status status;

	assert_true(probe_reports(p, PATIENCE_MS, &status));
	return status;
}

void
probe_order(struct probe *p, char order)
{
	assert_int_equal(send(p->status, &order, 1, MSG_NOSIGNAL), 1);
}

void
probe_logged(struct probe *p, const char *text)
{
	int64_t end = clock_mono_ms() + PATIENCE_MS;

	while (strstr(buf_cstr(&p->lines), text) == NULL) {
		ssize_t n = 0;

		if (clock_mono_ms() < end && readable(p->log, 100))
			n = recv(p->log, buf_reserve(&p->lines, 16384), 16384, MSG_DONTWAIT);
		else if (clock_mono_ms() < end)
			continue;
		if (n <= 0)
			fail_msg("no \"%s\" in its log:\n%s", text, buf_cstr(&p->lines));
		p->lines.len += (size_t)n;
	}
}

int
probe_connect(struct probe *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

bool
probe_answers(int fd, int ms)
{
	return readable(fd, ms);
}

void
probe_ask(int fd, const char *line, char *answer, size_t size)
{
	size_t n = 0;

	(void)send(fd, line, strlen(line), MSG_NOSIGNAL);
	(void)send(fd, "\n", 1, MSG_NOSIGNAL);
	while (n + 1 < size) {
		if (!readable(fd, PATIENCE_MS))
			fail_msg("no answer to \"%s\"", line);
		if (recv(fd, answer + n, 1, 0) != 1 || answer[n] == '\n')
			break;
		n++;
	}
	answer[n] = '\0';
}

int
probe_end(struct probe *p, int ms)
{
	int64_t end = clock_mono_ms() + ms;
	int status = 0;

	while (waitpid(p->pid, &status, WNOHANG) == 0) {
		if (clock_mono_ms() > end)
			fail_msg("the probe did not end within %d ms", ms);
		(void)poll(NULL, 0, 5);
	}
	p->pid = 0;
	return status;
}
