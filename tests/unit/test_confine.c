/*
 * test_confine - what a confined daemon can no longer do, and who is let in
 *
 * The tables are tested everywhere; chroot, users and becoming another one where the test is run by
 * root; the system call filter in both cases.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/service/service.h"
#include "tests/unit/service_master.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SOON_MS 5000
#define ANSWER 256

#ifdef POSTKEEP_SANITIZED
#define SANITIZED true
#else
#define SANITIZED false
#endif

static struct probe probe;

static int
clean(void **state)
{
	(void)state;
	probe_clean(&probe);
	return 0;
}

static bool
kernel_filters(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

/* ---- Tables ---- */

static const struct service_ids ids = {
    .uid = {0, 101, 102, 103}, .gid = {0, 201, 202, 203}, .postdrop = 300};
static const struct service_ids own = {.unprivileged = true,
    .uid = {1000, 1000, 1000, 1000},
    .gid = {1001, 1001, 1001, 1001},
    .postdrop = 1001};

static void
test_admits(void **state)
{
	static const struct {
		unsigned peers;
		uid_t uid;
		gid_t gid;
		bool in, in_own; /* in an ordinary user's suite */
	} cases[] = {
	    {0, 0, 0, true, true},
	    {0, 101, 201, false, false},
	    {0, 1000, 1001, false, true},
	    {PEER_QUEUE, 101, 0, true, false},
	    {PEER_QUEUE, 102, 0, false, false},
	    {PEER_QUEUE, 103, 201, false, false}, /* a group is not a user */
	    {PEER_QUEUE, 0, 0, true, true},
	    {PEER_WORK, 102, 0, true, false},
	    {PEER_WORK, 101, 0, false, false},
	    {PEER_NETWORK, 103, 0, true, false},
	    {PEER_NETWORK, 102, 0, false, false},
	    {PEER_NETWORK | PEER_WORK | PEER_QUEUE, 101, 0, true, false},
	    {PEER_NETWORK | PEER_WORK | PEER_QUEUE, 104, 0, false, false},
	    {PEER_POSTDROP, 4000, 300, true, false},
	    {PEER_POSTDROP, 300, 4000, false, false},
	    {PEER_POSTDROP | PEER_WORK, 102, 4000, true, false},
	    {PEER_ANYONE, 4000, 4000, true, false},
	    {PEER_ANYONE, 1000, 4000, true, true},
	    {PEER_USERS, 4000, 4000, false, false},
	    {PEER_USERS, 0, 4000, true, true},
	    {PEER_NETWORK | PEER_USERS, 103, 0, true, false},
	    {PEER_NETWORK | PEER_USERS, 4000, 4000, false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(
		    endpoint_admits(cases[i].peers, &ids, cases[i].uid, cases[i].gid), cases[i].in);
		assert_int_equal(endpoint_admits(cases[i].peers, &own, cases[i].uid, cases[i].gid),
		    cases[i].in_own);
	}
}

static void
test_mode(void **state)
{
	static const struct {
		unsigned peers;
		uid_t uid;
		gid_t gid;
		mode_t mode;
	} cases[] = {
	    {0, 0, 0, 0600},
	    {PEER_USERS, 0, 0, 0600},
	    {PEER_NETWORK | PEER_USERS, 103, 0, 0600},
	    {PEER_QUEUE, 101, 0, 0600},
	    {PEER_WORK, 102, 0, 0600},
	    {PEER_NETWORK, 103, 0, 0600},
	    {PEER_POSTDROP | PEER_WORK, 102, 300, 0660},
	    {PEER_POSTDROP, 0, 300, 0660},
	    {PEER_NETWORK | PEER_WORK | PEER_QUEUE, 0, 0, 0666},
	    {PEER_ANYONE, 0, 0, 0666},
	};
	uid_t uid;
	gid_t gid;
	mode_t mode;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		endpoint_mode(cases[i].peers, &ids, &uid, &gid, &mode);
		assert_int_equal(uid, cases[i].uid);
		assert_int_equal(gid, cases[i].gid);
		assert_int_equal(mode, cases[i].mode);
		endpoint_mode(cases[i].peers, &own, &uid, &gid, &mode);
		assert_int_equal(uid, 1000);
		assert_int_equal(gid, 1001);
		assert_int_equal(mode, 0600);
	}
}

/* Who is let in to the socket PATH, as the tables say. */
static unsigned
peers_of(const char *path)
{
	const struct program *program = program_find(strrchr(path, '/') + 1);

	for (const struct endpoint *e = endpoint_table; e->program; e++)
		if (strcmp(e->path, path) == 0)
			return e->peers;
	assert_non_null(program);
	return program->peers;
}

/* What a program is said to reach lets it in, and nothing else in a jail would. */
static void
test_tables_agree(void **state)
{
	(void)state;
	for (const struct program *p = program_table; p->name; p++) {
		assert_ptr_equal(program_find(p->name), p);
		for (size_t i = 0; p->reaches[i]; i++)
			assert_true(endpoint_admits(
			    peers_of(p->reaches[i]), &ids, ids.uid[p->user], ids.gid[p->user]));
		/* Root in a chroot is no prisoner. */
		assert_false(program_has_jail(p) && p->user == SERVICE_USER_ROOT);
	}
	assert_null(program_find("nonsense"));
	assert_string_equal(endpoint_of("qmgr", 1)->path, "private/qmgr-net");
	assert_string_equal(endpoint_of("qmgr", 7)->path, "public/flush");
	assert_null(endpoint_of("qmgr", 8));
	assert_null(endpoint_of("qmgr", 0));
	assert_null(endpoint_of("smtpd", 1));
}

/* The access matrix, written a second time: Q mail_owner, W work, N network, D postdrop, A anybody. */
static const struct {
	const char *path;
	const char *in;
} matrix[] = {
    {"private/qmgr", ""},
    {"private/qmgr-net", "N"},
    {"private/qmgr-local", "W"},
    {"private/qmgr-bounce", "W"},
    {"private/qmgr-report", "N"},
    {"private/qmgr-admin", ""},
    {"public/showq", "QWNDA"},
    {"public/flush", "QWNDA"},
    {"private/local", "Q"},
    {"private/smtp", "Q"},
    {"private/lmtp", "Q"},
    {"private/bounce", "Q"},
    {"private/proxymap", "QW"},
    {"private/proxymap-net", "N"},
    {"private/proxymap-smtp", "N"},
    {"private/anvil", "N"},
    {"private/mtasts", "N"},
    {"private/tlsrpt", "N"},
    {"public/pickup", "WD"},
    {"public/postlogd", "QWNDA"},
};

static void
test_matrix(void **state)
{
	static const struct {
		char letter;
		uid_t uid;
		gid_t gid;
	} who[] = {
	    {'Q', 101, 201}, {'W', 102, 202}, {'N', 103, 203}, {'D', 4000, 300}, {'A', 4000, 4000}};

	(void)state;
	for (size_t i = 0; i < COUNT(matrix); i++) {
		for (size_t w = 0; w < COUNT(who); w++) {
			bool in =
			    endpoint_admits(peers_of(matrix[i].path), &ids, who[w].uid, who[w].gid);

			if (in != (strchr(matrix[i].in, who[w].letter) != NULL))
				fail_msg("%s and %c", matrix[i].path, who[w].letter);
		}
		assert_true(endpoint_admits(peers_of(matrix[i].path), &ids, 0, 0));
	}
}

/* ---- System calls ---- */

enum { NETWORK, INTERNAL, CLOSED, FILES, CLIENT, PROFILES };
/* A program of each, that has nothing that another lacks. */
static const char *const profile_programs[] = {NULL, "bounce", "anvil", "pickup", "smtp"};

/* What is answered where the kernel keeps abstract sockets apart; where it cannot, it is looked at. */
#define SCOPED "EPERM"

static const struct {
	const char *name;
	const char *answers[PROFILES]; /* "" when the process dies of it */
	bool sanitizers;               /* the same in a build with sanitizers */
} calls[] = {
    {"thread", {"ok", "ok", "ok", "ok", "ok"}, true},
    {"offload", {"ok", "ok", "ok", "ok", "ok"}, true},
    {"socket", {"EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", "ok"}, true},
    {"socket-udp", {"EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", "ok"}, true},
    {"socket-other",
	{"EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT"}, true},
    {"socket-raw", {"EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", ""}, true},
    {"abstract", {SCOPED, SCOPED, "EAFNOSUPPORT", SCOPED, SCOPED}, true},
    {"exec-memory", {"EPERM", "EPERM", "EPERM", "EPERM", "EPERM"}, false},
    {"io_uring", {"ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS"}, true},
    {"open", {"EPERM", "EPERM", "EPERM", "ok", "EPERM"}, false},
    {"option-log", {"", "", "", "EPERM", "EPERM"}, true},
    {"copy-log", {"", "", "", "EPERM", ""}, false},
    {"dup-log", {"", "", "", "EPERM", ""}, true},
    {"shutdown-log", {"EPERM", "EPERM", "EPERM", "EPERM", "EPERM"}, true},
    {"shutdown-listen", {"EPERM", "EPERM", "EPERM", "EPERM", "EPERM"}, true},
    {"shutdown-own", {"ok", "ok", "EAFNOSUPPORT", "ok", "ok"}, true},
    {"execve", {"", "", "", "", ""}, true},
    {"fork", {"", "", "", "", ""}, true},
    {"ptrace", {"", "", "", "", ""}, true},
    {"kill", {"", "", "", "", ""}, true},
    {"tgkill", {"", "", "", "", ""}, true},
    {"setown", {"", "", "", "", ""}, false},
    {"bpf", {"", "", "", "", ""}, true},
    {"process_vm", {"", "", "", "", ""}, true},
    {"pidfd", {"", "", "", "", ""}, true},
    {"unshare", {"", "", "", "", ""}, true},
    {"setuid", {"", "", "", "", ""}, true},
    {"abort", {"", "", "", "", ""}, true},
};

/* Landlock with scopes: Linux 6.12. */
static bool
kernel_scopes(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1U) >= 6;
}

static void
expect_death(const char *call)
{
	int status = probe_end(&probe, SOON_MS);

	if (!WIFSIGNALED(status))
		fail_msg("call %s: ended with status %d", call, status);
	assert_int_equal(WTERMSIG(status), strcmp(call, "abort") == 0 ? SIGABRT : SIGSYS);
}

static void
start(const struct probe_options *o)
{
	if (!probe_start(&probe, o))
		skip(); /* the build folder is closed to NETWORK_USER */
	(void)probe_report(&probe);
}

static void
try_calls(const struct probe_options *o, size_t profile)
{
	bool running = false;

	for (size_t i = 0; i < COUNT(calls); i++) {
		const char *expected = calls[i].answers[profile];
		char line[64], answer[ANSWER];
		int fd;

		if ((SANITIZED && !calls[i].sanitizers) ||
		    (!kernel_scopes() && strcmp(expected, SCOPED) == 0 &&
			strcmp(calls[i].name, "abstract") == 0))
			continue;
		if (!running)
			start(o);
		running = true;
		fd = probe_connect(&probe);
		snprintf(line, sizeof(line), "call %s", calls[i].name);
		probe_ask(fd, line, answer, sizeof(answer));
		if (strcmp(answer, expected) != 0)
			print_error("call %s\n", calls[i].name);
		assert_string_equal(answer, expected);
		assert_int_equal(close(fd), 0);
		if (*expected == '\0') {
			expect_death(calls[i].name);
			probe_clean(&probe);
			running = false;
		}
	}
}

/* Something to connect to, of the machine and not of the suite; its name is PROBE_ABSTRACT. */
static int
listen_abstract(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char *name = un.sun_path + 1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(name, sizeof(un.sun_path) - 1, "postkeep-test.%ld", (long)getpid());

	assert_int_equal(setenv("PROBE_ABSTRACT", name, 1), 0);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)len),
	    0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void
test_calls(void **state)
{
	int fd;

	(void)state;
	if (!kernel_filters())
		skip();
	fd = listen_abstract();
	for (size_t i = 0; i < PROFILES; i++)
		try_calls(
		    &(struct probe_options){.program = profile_programs[i], .ordinary = true}, i);
	assert_int_equal(close(fd), 0);
}

static void
test_calls_as_root_started(void **state)
{
	int fd;

	(void)state;
	if (!kernel_filters() || geteuid() != 0)
		skip();
	fd = listen_abstract();
	try_calls(&(struct probe_options){.user = true}, NETWORK);
	assert_int_equal(close(fd), 0);
}

/* ---- As root: user, groups, root directory ---- */

static void
status_file(pid_t pid, struct buf *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	assert_int_equal(io_read_file(path, 65536, text), 0);
}

static void
expect_line(struct buf *text, const char *line)
{
	if (strstr(buf_cstr(text), line) == NULL)
		fail_msg("no \"%s\" in\n%s", line, buf_cstr(text));
}

static void
expect_confined(pid_t pid, const char *user)
{
	struct passwd *pw = getpwnam(user);
	unsigned long uid, gid;
	struct buf text = {0};
	char line[128];

	assert_non_null(pw);
	uid = pw->pw_uid;
	gid = pw->pw_gid;
	status_file(pid, &text);
	snprintf(line, sizeof(line), "\nUid:\t%lu\t%lu\t%lu\t%lu\n", uid, uid, uid, uid);
	expect_line(&text, line);
	snprintf(line, sizeof(line), "\nGid:\t%lu\t%lu\t%lu\t%lu\n", gid, gid, gid, gid);
	expect_line(&text, line);
	expect_line(&text, "\nGroups:\t \n");
	expect_line(&text, "\nCapPrm:\t0000000000000000\n");
	expect_line(&text, "\nCapEff:\t0000000000000000\n");
	expect_line(&text, "\nCapBnd:\t0000000000000000\n");
	expect_line(&text, "\nNoNewPrivs:\t1\n");
	if (kernel_filters())
		expect_line(&text, "\nSeccomp:\t2\n");
	buf_free(&text);
}

static void
test_jail(void **state)
{
	char answer[ANSWER], root[64], seen[128], expected[128];
	struct stat st;
	ssize_t n;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	start(&(struct probe_options){.jail = true, .user = true});
	expect_confined(probe.pid, NETWORK_USER);
	snprintf(root, sizeof(root), "/proc/%ld/root", (long)probe.pid);
	snprintf(expected, sizeof(expected), "%s/jail/smtpd", probe.dir);
	n = readlink(root, seen, sizeof(seen) - 1);
	assert_true(n > 0);
	seen[n] = '\0';
	assert_string_equal(seen, expected);
	/* Non-dumpable: what is under /proc belongs to root, not to the user. */
	snprintf(root, sizeof(root), "/proc/%ld/environ", (long)probe.pid);
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_uid, 0);
	fd = probe_connect(&probe);
	probe_ask(fd, "place", answer, sizeof(answer));
	assert_non_null(strstr(answer, "root=jail private=none"));
	assert_int_equal(close(fd), 0);
}

static void
test_no_jail(void **state)
{
	char answer[ANSWER];
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	start(&(struct probe_options){.program = "pickup", .user = true});
	expect_confined(probe.pid, WORK_USER);
	fd = probe_connect(&probe);
	probe_ask(fd, "place", answer, sizeof(answer));
	assert_non_null(strstr(answer, "root=whole private=seen"));
	assert_int_equal(close(fd), 0);
}

/* A jail that is not there, or that others may write to, is none: the program does not start. */
static void
test_bad_jail(void **state)
{
	struct probe_options o = {.program = "bounce", .jail = true, .user = true};

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(probe_start(&probe, &o));
	assert_int_equal(WEXITSTATUS(probe_end(&probe, SOON_MS)), 1);
	probe_logged(&probe, "jail/bounce: No such file");
	probe_clean(&probe);
	o.program = "anvil";
	o.open_jail = true;
	assert_true(probe_start(&probe, &o));
	assert_int_equal(WEXITSTATUS(probe_end(&probe, SOON_MS)), 1);
	probe_logged(&probe, "nobody else may write there");
}

static void
test_descriptors(void **state)
{
	struct buf text = {0};
	char path[64];

	(void)state;
	if (geteuid() != 0)
		skip();
	start(&(struct probe_options){
	    .user = true, .files = 64, .settings = "default_session_limit = 1000"});
	snprintf(path, sizeof(path), "/proc/%ld/limits", (long)probe.pid);
	assert_int_equal(io_read_file(path, 65536, &text), 0);
	expect_line(&text, "Max open files            4256 ");
	expect_line(&text, "Max core file size        0  ");
	buf_free(&text);
}

/* Connects as another user; the answer to a line, "" when hung up on. */
static void
ask_as(uid_t uid, gid_t gid, char *answer, size_t size)
{
	int out[2];
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		struct timeval wait = {SOON_MS / 1000, 0};
		char line[16];
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		snprintf(address.sun_path, sizeof(address.sun_path), "%s", probe.socket);
		if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0 ||
		    connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0)
			_exit(1);
		(void)send(fd, "hi\n", 3, MSG_NOSIGNAL);
		n = recv(fd, line, sizeof(line), 0);
		if (n > 1 && write(out[1], line, (size_t)n - 1) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(close(out[1]), 0);
	n = read(out[0], answer, size - 1);
	assert_true(n >= 0);
	answer[n] = '\0';
	assert_int_equal(close(out[0]), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static uid_t
uid_of(const char *user)
{
	struct passwd *pw = getpwnam(user);

	assert_non_null(pw);
	return pw->pw_uid;
}

static gid_t
drop_gid(void)
{
	struct group *gr = getgrnam(DROP_GROUP);

	assert_non_null(gr);
	return gr->gr_gid;
}

static void
test_callers(void **state)
{
	char answer[ANSWER];

	(void)state;
	if (geteuid() != 0)
		skip();
	start(&(struct probe_options){.program = "pickup", .user = true});
	ask_as(uid_of(WORK_USER), 12345, answer, sizeof(answer));
	assert_string_equal(answer, "hi");
	ask_as(12345, drop_gid(), answer, sizeof(answer));
	assert_string_equal(answer, "hi");
	ask_as(0, 0, answer, sizeof(answer));
	assert_string_equal(answer, "hi");
	ask_as(uid_of(OWNER_USER), 12345, answer, sizeof(answer));
	assert_string_equal(answer, "");
	ask_as(12345, 12345, answer, sizeof(answer));
	assert_string_equal(answer, "");
	probe_logged(&probe, "of user 12345, group 12345 may not connect here");
}

static void
test_callers_of_ordinary_suite(void **state)
{
	char answer[ANSWER];

	(void)state;
	if (geteuid() != 0)
		skip();
	start(&(struct probe_options){.program = "pickup", .ordinary = true});
	ask_as(uid_of(NETWORK_USER), 12345, answer, sizeof(answer));
	assert_string_equal(answer, "hi");
	ask_as(12345, drop_gid(), answer, sizeof(answer));
	assert_string_equal(answer, "");
}

/* ---- service_become() ---- */

/* Runs in a child: becomes somebody, then asks whether FILE can be opened. 0 no, 1 yes, 2 failure. */
static int
become_and_open(uid_t uid, gid_t gid, const gid_t *groups, size_t n, const char *file)
{
	struct buf why = {0};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!service_become(uid, gid, groups, n, SANDBOX_FILES, &why)) {
			fprintf(stderr, "%s\n", buf_cstr(&why));
			_exit(2);
		}
		if (getuid() != uid || geteuid() != uid || getgid() != gid)
			_exit(3);
		_exit(open(file, O_RDONLY | O_CLOEXEC) >= 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_become(void **state)
{
	char dir[] = "/tmp/test_confine.XXXXXX", file[64];
	const gid_t group = 777;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(file, sizeof(file), "%s/file", dir);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	/* Of user 500, group 777, for both of them. */
	assert_int_equal(chown(file, 500, 777), 0);
	assert_int_equal(chmod(file, 0640), 0);
	assert_int_equal(become_and_open(500, 500, NULL, 0, file), 1);
	assert_int_equal(become_and_open(501, 501, NULL, 0, file), 0);
	assert_int_equal(become_and_open(501, 501, &group, 1, file), 1);
	assert_int_equal(become_and_open(501, 777, NULL, 0, file), 1);
	/* Root without capabilities is one user among others. */
	assert_int_equal(become_and_open(0, 0, NULL, 0, file), 0);
	assert_int_equal(chown(file, 0, 0), 0);
	assert_int_equal(become_and_open(0, 0, NULL, 0, file), 1);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void
test_become_without_right(void **state)
{
	struct buf why = {0};
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		if (geteuid() == 0 && setuid(12345) != 0)
			_exit(2);
		_exit(service_become(geteuid() + 1, 1, NULL, 0, SANDBOX_NONE, &why) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_admits),
	    cmocka_unit_test(test_mode),
	    cmocka_unit_test(test_tables_agree),
	    cmocka_unit_test(test_matrix),
	    cmocka_unit_test_teardown(test_calls, clean),
	    cmocka_unit_test_teardown(test_calls_as_root_started, clean),
	    cmocka_unit_test_teardown(test_jail, clean),
	    cmocka_unit_test_teardown(test_no_jail, clean),
	    cmocka_unit_test_teardown(test_bad_jail, clean),
	    cmocka_unit_test_teardown(test_descriptors, clean),
	    cmocka_unit_test_teardown(test_callers, clean),
	    cmocka_unit_test_teardown(test_callers_of_ordinary_suite, clean),
	    cmocka_unit_test(test_become),
	    cmocka_unit_test(test_become_without_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
