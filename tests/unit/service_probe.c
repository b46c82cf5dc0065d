/*
 * service_probe - a daemon that does as it is told, for test_service
 *
 * Uses the real skeleton. PROBE_PROGRAM says which row of the table it stands for. A client types
 * commands, one per line; "call NAME" makes a system call and tells how it went, if it lives.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/service/service.h"

#define SPIN_MS 2500
#define TURN_MS 20

static long
call_execve(void)
{
	char *argv[] = {(char *)"/bin/true", NULL};

	return execv(argv[0], argv);
}

static long
call_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static long
call_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long
call_kill(void)
{
	return kill(getppid(), 0);
}

static long
call_tgkill_other(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long
call_setown(void)
{
	return fcntl(STDIN_FILENO, F_SETOWN, getppid());
}

static long
call_socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long
call_socket_udp(void)
{
	return socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Another family, which is asked for by number: netlink. */
static long
call_socket_other(void)
{
	return socket(16, SOCK_STREAM, 0);
}

static long
call_socket_raw(void)
{
	return socket(AF_INET, SOCK_RAW, 1);
}

/* A socket with a name and no file, as the test holds one open: outside of every chroot. */
static long
call_abstract(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *name = getenv("PROBE_ABSTRACT");
	size_t len = strlen(name);

	if (fd < 0)
		return fd;
	memcpy(un.sun_path + 1, name, len);
	if (connect(fd, (struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) != 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return close(fd);
}

/* All processes share these. */
static long
call_shutdown_log(void)
{
	/* As the kernel sees it: bits above an int's do not count. */
	return syscall(SYS_shutdown, ((long)1 << 32) + SERVICE_FD_LOG, (long)SHUT_RDWR);
}

static long
call_shutdown_own(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	/* Not connected: the kernel has looked at it. */
	return shutdown(fd, SHUT_RDWR) == 0 || errno == ENOTCONN ? close(fd) : -1;
}

static long
call_shutdown_listen(void)
{
	return shutdown(SERVICE_FD_LISTEN, SHUT_RDWR);
}

static long
call_option_log(void)
{
	int size = 1;

	return setsockopt(SERVICE_FD_LOG, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static long
call_copy_log(void)
{
	return fcntl(SERVICE_FD_LOG, F_DUPFD_CLOEXEC, 100);
}

static long
call_dup_log(void)
{
	return syscall(SYS_dup3, ((long)1 << 32) + SERVICE_FD_LOG, 100, 0);
}

static long
call_exec_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long
call_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long
call_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long
call_process_vm(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static long
call_pidfd(void)
{
	return syscall(SYS_pidfd_open, getppid(), 0);
}

static long
call_unshare(void)
{
	return syscall(SYS_unshare, 0x10000000 /* a new user namespace */);
}

static long
call_setuid(void)
{
	return setuid(0);
}

static long
call_open(void)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? fd : close(fd);
}

static long
call_create(void)
{
	int fd = open("made-by-probe", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? fd : close(fd);
}

static void *
thread(void *arg)
{
	char *memory = malloc(1 << 20);

	if (memory)
		memset(memory, 1, 1 << 20);
	free(memory);
	return arg;
}

static long
call_thread(void)
{
	pthread_t id;
	int error = pthread_create(&id, NULL, thread, NULL);

	if (error != 0) {
		errno = error;
		return -1;
	}
	return pthread_join(id, NULL);
}

static void
offloaded(void *arg)
{
	*(bool *)arg = true;
}

static long
call_offload(void)
{
	bool done = false;

	fiber_offload(FIBER_POOL_SYNC, offloaded, &done);
	return done ? 0 : -1;
}

static long
call_abort(void)
{
	abort();
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
    {"execve", call_execve},
    {"fork", call_fork},
    {"ptrace", call_ptrace},
    {"kill", call_kill},
    {"tgkill", call_tgkill_other},
    {"setown", call_setown},
    {"socket", call_socket_inet},
    {"socket-udp", call_socket_udp},
    {"socket-other", call_socket_other},
    {"socket-raw", call_socket_raw},
    {"abstract", call_abstract},
    {"shutdown-log", call_shutdown_log},
    {"shutdown-listen", call_shutdown_listen},
    {"shutdown-own", call_shutdown_own},
    {"option-log", call_option_log},
    {"copy-log", call_copy_log},
    {"dup-log", call_dup_log},
    {"exec-memory", call_exec_memory},
    {"io_uring", call_io_uring},
    {"bpf", call_bpf},
    {"process_vm", call_process_vm},
    {"pidfd", call_pidfd},
    {"unshare", call_unshare},
    {"setuid", call_setuid},
    {"open", call_open},
    {"create", call_create},
    {"thread", call_thread},
    {"offload", call_offload},
    {"abort", call_abort},
};

static void
answer_call(struct stream *s, struct str name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		long result;

		if (!str_eq(name, str_c(calls[i].name)))
			continue;
		errno = 0;
		result = calls[i].call();
		stream_printf(s, "%s\n", result < 0 ? strerrorname_np(errno) : "ok");
		return;
	}
	stream_puts(s, "no such call\n");
}

/* Busy for some seconds, in turns that are short. */
static void
spin(void)
{
	for (int64_t end = clock_mono_ms() + SPIN_MS; clock_mono_ms() < end; fiber_yield())
		for (int64_t turn = clock_mono_ms() + TURN_MS; clock_mono_ms() < turn;)
			continue;
}

static void
answer_place(struct stream *s)
{
	struct tm tm;
	time_t now = time(NULL);
	struct stat st;

	stream_printf(s, "root=%s private=%s zone=%s\n",
	    stat("/etc/passwd", &st) == 0 ? "whole" : "jail",
	    stat("private", &st) == 0 ? "seen" : "none",
	    localtime_r(&now, &tm) ? tm.tm_zone : "none");
}

static bool
obey(struct service_client *client, struct str line)
{
	struct stream *s = client->stream;

	if (str_starts(line, STR("call "))) {
		answer_call(s, str_from(line, 5));
	} else if (str_eq(line, STR("place"))) {
		answer_place(s);
	} else if (str_eq(line, STR("who"))) {
		stream_printf(s, "uid=%ld endpoint=%zu leaving=%d name=%s\n", (long)client->uid,
		    client->endpoint, service_leaving(), service_name());
	} else if (str_eq(line, STR("hostname"))) {
		stream_printf(s, "%s\n", conf_cstr(conf_get(), P_myhostname));
	} else if (str_eq(line, STR("idle"))) {
		stream_puts(s, service_idle(client, true) ? "waiting\n" : "leaving\n");
	} else if (str_eq(line, STR("spin"))) {
		spin();
		stream_puts(s, "spun\n");
	} else if (str_eq(line, STR("quit"))) {
		return false;
	} else {
		stream_printf(s, "%.*s\n", STR_ARG(line));
	}
	return stream_flush(s) == STREAM_OK;
}

static void
probe_session(struct service_client *client)
{
	struct str line;

	while (stream_read_line(client->stream, 200, &line) == STREAM_OK)
		if (!obey(client, str_trim_end(line)))
			break;
}

static bool
probe_before(void)
{
	log_info("before confinement");
	return true;
}

static bool
probe_start(void)
{
	log_info("start");
	return true;
}

static void
probe_wakeup(void)
{
	log_info("wakeup");
}

static void
probe_flush(void)
{
	log_info("flush");
}

static void
probe_reload(void)
{
	log_info("reload %s", conf_cstr(conf_get(), P_myhostname));
}

static void
probe_drain(void)
{
	log_info("drain");
}

static int
probe_parent(const int *fds, size_t n)
{
	int order = 0;

	log_info("parent with %zu sockets, first %d", n, fds[0]);
	while (order != SERVICE_ORDER_DRAIN && order != -1) {
		(void)poll(NULL, 0, 10);
		order = service_parent_order();
	}
	log_info("parent ends: %s", order == -1 ? "master is gone" : "order");
	return 0;
}

int
main(int argc, char **argv)
{
	const char *program = getenv("PROBE_PROGRAM");
	struct service probe = {
	    .name = program ? program : "smtpd",
	    .sandbox = SANDBOX_NETWORK,
	    .session_limit = P_default_session_limit,
	    .before_confinement = probe_before,
	    .start = probe_start,
	    .session = probe_session,
	    .wakeup = probe_wakeup,
	    .flush = probe_flush,
	    .reload = probe_reload,
	    .drain = probe_drain,
	};

	if (strcmp(probe.name, "pickup") == 0 || strcmp(probe.name, "qmgr") == 0)
		probe.sandbox = SANDBOX_FILES;
	if (strcmp(probe.name, "bounce") == 0)
		probe.sandbox = SANDBOX_INTERNAL;
	if (strcmp(probe.name, "smtp") == 0)
		probe.sandbox = SANDBOX_CLIENT;
	if (strcmp(probe.name, "anvil") == 0)
		probe.sandbox = SANDBOX_CLOSED;
	if (strcmp(probe.name, "local") == 0) {
		probe.sandbox = SANDBOX_NONE;
		probe.parent = probe_parent;
	}
	return service_run(&probe, argc, argv);
}
