/*
 * intruder - what a stranger could do who has taken smtpd over
 *
 * Stands in smtpd's stead in the daemon directory that test_intruder.py makes, is started by the real
 * master, and confined by service_run() as smtpd is: same name, same row of the table of programs, same
 * sandbox. Its client names an attempt and perhaps an argument per line; the answer is "ok", the name of
 * the error, or, where the attempt ends the process, nothing.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <net/ethernet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/service/service.h"
#include "lib/table/table.h"

#define LINE_MAX_BYTES 1000

/* ---- Files --------------------------------------------------------------------------------------- */

static long
closed(long fd)
{
	return fd < 0 ? fd : close((int)fd);
}

static long
try_open(const char *path)
{
	return closed(open(path, O_RDONLY | O_CLOEXEC));
}

static long
try_open_write(const char *path)
{
	return closed(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static long
try_openat2(const char *path)
{
	const struct {
		uint64_t flags, mode, resolve;
	} how = {0};

	return closed(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)));
}

static long
try_stat(const char *path)
{
	struct stat st;

	return stat(path, &st);
}

static long
try_unlink(const char *path)
{
	return unlink(path);
}

static long
try_mkdir(const char *path)
{
	return mkdir(path, 0700);
}

static long
try_link(const char *path)
{
	return link(path, "stolen");
}

static long
try_chmod(const char *path)
{
	return chmod(path, 0777);
}

static long
try_chdir(const char *path)
{
	return chdir(path);
}

static long
try_handle(const char *path)
{
	(void)path;
	return syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY);
}

static long
try_memfd(const char *name)
{
	return closed(syscall(SYS_memfd_create, name, 0));
}

/* ---- Programs and processes ---------------------------------------------------------------------- */

static long
try_execve(const char *path)
{
	char *argv[] = {(char *)"sh", NULL};

	return execv(path, argv);
}

static long
try_execveat(const char *path)
{
	char *argv[] = {(char *)"sh", NULL};

	return syscall(SYS_execveat, AT_FDCWD, path, argv, NULL, 0);
}

static long
try_fork(const char *unused)
{
	pid_t pid = fork();

	(void)unused;
	if (pid == 0)
		_exit(0);
	return pid;
}

/* Not the C library's: a process, not a thread, asked of the kernel directly. */
static long
try_clone(const char *unused)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	(void)unused;
	if (pid == 0)
		_exit(0);
	return pid;
}

static pid_t
process(const char *pid)
{
	return (pid_t)strtol(pid, NULL, 10);
}

static long
try_ptrace(const char *pid)
{
	return ptrace(PTRACE_ATTACH, process(pid), NULL, NULL);
}

static long
try_read_memory(const char *pid)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return process_vm_readv(process(pid), &here, 1, &there, 1, 0);
}

static long
try_pidfd(const char *pid)
{
	return closed(syscall(SYS_pidfd_open, process(pid), 0));
}

static long
try_pidfd_getfd(const char *fd)
{
	return closed(syscall(SYS_pidfd_getfd, process(fd), SERVICE_FD_LOG, 0));
}

static long
try_kill(const char *pid)
{
	return kill(process(pid), 0);
}

static long
try_tgkill(const char *pid)
{
	return syscall(SYS_tgkill, process(pid), process(pid), 0);
}

static long
try_sigqueue(const char *pid)
{
	return sigqueue(process(pid), 0, (union sigval){0});
}

static long
try_setown(const char *pid)
{
	return fcntl(SERVICE_FD_STATUS, F_SETOWN, process(pid));
}

static long
try_kcmp(const char *pid)
{
	return syscall(SYS_kcmp, getpid(), process(pid), 0, 4, 4);
}

static long
try_prlimit(const char *pid)
{
	return syscall(SYS_prlimit64, process(pid), 7 /* RLIMIT_NOFILE */, NULL, NULL);
}

/* ---- Sockets ------------------------------------------------------------------------------------- */

static long
connect_to(const struct sockaddr_un *un, size_t len, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), result, error;

	if (fd < 0)
		return fd;
	result = connect(fd, (const struct sockaddr *)un,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	error = errno;
	(void)close(fd);
	errno = error;
	return result;
}

static long
connect_path(const char *path, int type)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	return connect_to(&un, strlen(un.sun_path) + 1, type);
}

static long
try_connect(const char *path)
{
	return connect_path(path, SOCK_STREAM);
}

static long
try_connect_packets(const char *path)
{
	return connect_path(path, SOCK_SEQPACKET);
}

static long
try_connect_datagram(const char *path)
{
	return connect_path(path, SOCK_DGRAM);
}

static long
try_abstract(const char *name)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "%s", name);
	return connect_to(&un, 1 + strlen(un.sun_path + 1), SOCK_STREAM);
}

static long
try_inet(const char *unused)
{
	(void)unused;
	return closed(socket(AF_INET, SOCK_STREAM, 0));
}

static long
try_inet6(const char *unused)
{
	(void)unused;
	return closed(socket(AF_INET6, SOCK_DGRAM, 0));
}

static long
try_raw(const char *unused)
{
	(void)unused;
	return closed(socket(AF_INET, SOCK_RAW, 1));
}

static long
try_packet(const char *unused)
{
	(void)unused;
	return closed(socket(AF_PACKET, SOCK_RAW, ETH_P_ALL));
}

static long
try_netlink(const char *unused)
{
	(void)unused;
	return closed(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static long
try_vsock(const char *unused)
{
	(void)unused;
	return closed(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static long
try_alg(const char *unused)
{
	(void)unused;
	return closed(socket(AF_ALG, SOCK_SEQPACKET, 0));
}

static long
try_bind(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	return bind(fd, (const struct sockaddr *)&un, sizeof(un));
}

static long
try_shutdown(const char *fd)
{
	return shutdown(process(fd), SHUT_RDWR);
}

static long
try_option(const char *fd)
{
	int size = 1;

	return setsockopt(process(fd), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* ---- More rights --------------------------------------------------------------------------------- */

static long
try_mount(const char *path)
{
	return mount("none", path, "tmpfs", 0, NULL);
}

static long
try_umount(const char *path)
{
	return umount2(path, MNT_DETACH);
}

static long
try_chroot(const char *path)
{
	return chroot(path);
}

static long
try_pivot(const char *path)
{
	return syscall(SYS_pivot_root, path, path);
}

static long
try_unshare(const char *unused)
{
	(void)unused;
	return unshare(CLONE_NEWUSER);
}

static long
try_setns(const char *unused)
{
	(void)unused;
	return setns(SERVICE_FD_STATUS, 0);
}

static long
try_setuid(const char *unused)
{
	(void)unused;
	return setuid(0);
}

static long
try_setgroups(const char *unused)
{
	gid_t none = 0;

	(void)unused;
	return setgroups(1, &none);
}

static long
try_capset(const char *unused)
{
	(void)unused;
	return syscall(SYS_capset, NULL, NULL);
}

static long
try_dumpable(const char *unused)
{
	(void)unused;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long
try_seccomp(const char *unused)
{
	(void)unused;
	return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, NULL);
}

static long
try_personality(const char *unused)
{
	(void)unused;
	return syscall(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */);
}

static long
try_exec_memory(const char *unused)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	return p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long
try_io_uring(const char *unused)
{
	(void)unused;
	return closed(syscall(SYS_io_uring_setup, 1, NULL));
}

static long
try_bpf(const char *unused)
{
	(void)unused;
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long
try_perf(const char *unused)
{
	(void)unused;
	return closed(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static long
try_userfaultfd(const char *unused)
{
	(void)unused;
	return closed(syscall(SYS_userfaultfd, 0));
}

static long
try_keys(const char *unused)
{
	(void)unused;
	return syscall(SYS_keyctl, 0, -3, 0);
}

static long
try_terminal(const char *unused)
{
	char c = 'x';

	(void)unused;
	return ioctl(0, TIOCSTI, &c);
}

static const struct {
	const char *name;
	long (*attempt)(const char *argument);
} attempts[] = {
    {"open", try_open},
    {"open-write", try_open_write},
    {"openat2", try_openat2},
    {"stat", try_stat},
    {"unlink", try_unlink},
    {"mkdir", try_mkdir},
    {"link", try_link},
    {"chmod", try_chmod},
    {"chdir", try_chdir},
    {"handle", try_handle},
    {"memfd", try_memfd},
    {"execve", try_execve},
    {"execveat", try_execveat},
    {"fork", try_fork},
    {"clone", try_clone},
    {"ptrace", try_ptrace},
    {"read-memory", try_read_memory},
    {"pidfd", try_pidfd},
    {"pidfd-getfd", try_pidfd_getfd},
    {"kill", try_kill},
    {"tgkill", try_tgkill},
    {"sigqueue", try_sigqueue},
    {"setown", try_setown},
    {"kcmp", try_kcmp},
    {"prlimit", try_prlimit},
    {"connect", try_connect},
    {"connect-packets", try_connect_packets},
    {"connect-datagram", try_connect_datagram},
    {"abstract", try_abstract},
    {"inet", try_inet},
    {"inet6", try_inet6},
    {"raw", try_raw},
    {"packet", try_packet},
    {"netlink", try_netlink},
    {"vsock", try_vsock},
    {"alg", try_alg},
    {"bind", try_bind},
    {"shutdown", try_shutdown},
    {"option", try_option},
    {"mount", try_mount},
    {"umount", try_umount},
    {"chroot", try_chroot},
    {"pivot", try_pivot},
    {"unshare", try_unshare},
    {"setns", try_setns},
    {"setuid", try_setuid},
    {"setgroups", try_setgroups},
    {"capset", try_capset},
    {"dumpable", try_dumpable},
    {"seccomp", try_seccomp},
    {"personality", try_personality},
    {"exec-memory", try_exec_memory},
    {"io_uring", try_io_uring},
    {"bpf", try_bpf},
    {"perf", try_perf},
    {"userfaultfd", try_userfaultfd},
    {"keys", try_keys},
    {"terminal", try_terminal},
};

/* ---- What is asked of the peers that it has --------------------------------------------------------- */

static const char *
word(char **rest)
{
	const char *begin = *rest;
	char *end = strchr(*rest, ' ');

	*rest = end ? end + 1 : strchr(*rest, '\0');
	if (end)
		*end = '\0';
	return begin;
}

/* "lookup TABLE PARAMETER KEY": what proxymap says. */
static void
answer_lookup(struct stream *client, char *line)
{
	static const char *const words[] = {"found", "not found", "error"};
	const char *spec = word(&line), *param = word(&line);
	struct buf value = {0}, why = {0};
	struct table *table = table_open_for(str_c(spec), param, true, &why);
	enum table_status status = TABLE_ERROR;

	if (table)
		status = table_lookup(table, str_c(line), &value, &why);
	stream_printf(client, "%s [%s]\n", words[status],
	    status == TABLE_ERROR ? buf_cstr(&why) : buf_cstr(&value));
	table_close(&table);
	buf_free(&value);
	buf_free(&why);
}

static void
answer(struct stream *client, char *line)
{
	const char *name = word(&line);

	if (strcmp(name, "lookup") == 0) {
		answer_lookup(client, line);
		return;
	}
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		long result;

		if (strcmp(name, attempts[i].name) != 0)
			continue;
		errno = 0;
		result = attempts[i].attempt(line);
		stream_printf(client, "%s\n", result < 0 ? strerrorname_np(errno) : "ok");
		return;
	}
	stream_puts(client, "no such attempt\n");
}

static void
intruder_session(struct service_client *client)
{
	struct str line;

	while (stream_read_line(client->stream, LINE_MAX_BYTES, &line) == STREAM_OK) {
		char text[LINE_MAX_BYTES + 1];

		line = str_trim_end(line);
		memcpy(text, line.data, line.len);
		text[line.len] = '\0';
		answer(client->stream, text);
		if (stream_flush(client->stream) != STREAM_OK)
			break;
	}
}

static const struct service intruder_service = {
    .name = "smtpd",
    .sandbox = SANDBOX_NETWORK,
    .session_limit = P_smtpd_session_limit,
    .session = intruder_session,
};

int
main(int argc, char **argv)
{
	return service_run(&intruder_service, argc, argv);
}
