/*
 * test_store_mbox - messages into a mailbox file: form, locks, refusals, and the way back
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/store/mbox.h"
#include "lib/store/mbox_escape.h"
#include "lib/store/place.h"

#define FILE_MAX ((size_t)64 * 1024 * 1024)
#define ALL_LOCKS (MBOX_LOCK_FCNTL | MBOX_LOCK_FLOCK | MBOX_LOCK_DOTLOCK)

struct fixture {
	char dir[64];
	char *path, *lock;
	struct mbox_options options;
	struct mbox *mbox;
	struct store_problem problem;
};

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static char *
path_of(const struct fixture *f, const char *name)
{
	struct buf path = {0};

	buf_printf(&path, "%s/%s", f->dir, name);
	return buf_take(&path);
}

static int
set_up(void **state)
{
	struct fixture *f = MEM_NEW(struct fixture);

	strcpy(f->dir, "/tmp/postkeep-mbox.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = path_of(f, "box");
	f->lock = path_of(f, "box.lock");
	f->options = (struct mbox_options){
	    .base = f->dir,
	    .path = "box",
	    .owner = geteuid(),
	    .locks = ALL_LOCKS,
	    .stale = 1000,
	};
	f->mbox = mbox_new(&f->options);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	mbox_free(&f->mbox);
	buf_free(&f->problem.why);
	assert_int_equal(nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(f->path);
	free(f->lock);
	free(f);
	return 0;
}

static void
set_options(struct fixture *f)
{
	mbox_free(&f->mbox);
	f->mbox = mbox_new(&f->options);
}

static struct store_message
message_of(struct str body)
{
	return (struct store_message){
	    .envelope = STR("From s  date\n"), .head = STR("H: 1\n"), .body = body, .fd = -1};
}

static bool
append(struct fixture *f, struct str body)
{
	const struct store_message message = message_of(body);
	bool ok = mbox_lock(f->mbox, &f->problem) == MBOX_OK &&
	    mbox_append(f->mbox, &message, &f->problem) && mbox_commit(f->mbox, &f->problem);

	mbox_unlock(f->mbox);
	return ok;
}

static void
expect_file(const struct fixture *f, struct str content)
{
	struct buf b = {0};

	assert_int_equal(io_read_file(f->path, FILE_MAX, &b), 0);
	assert_int_equal(b.len, content.len);
	assert_memory_equal(b.data, content.data, b.len);
	buf_free(&b);
}

static void
put_file(const struct fixture *f, struct str content)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(io_write_all(fd, content.data, content.len), 0);
	assert_int_equal(io_close(&fd), 0);
}

static void
expect_why(struct fixture *f, const char *dsn, const char *why)
{
	assert_string_equal(f->problem.dsn, dsn);
	if (!strstr(buf_cstr(&f->problem.why), why))
		fail_msg("\"%s\" is not in \"%s\"", why, buf_cstr(&f->problem.why));
}

/* --- Form ------------------------------------------------------------------------------------------- */

/* Each case whole, and cut into two pieces at every place. */
static void
test_escape(void **state)
{
	static const struct {
		struct str in, out;
	} cases[] = {
	    {{"", 0}, {"", 0}},
	    {{"\n", 1}, {"\n", 1}},
	    {{"a", 1}, {"a\n", 2}},
	    {{"From ", 5}, {">From \n", 7}},
	    {{"From x\nFrom y\n", 14}, {">From x\n>From y\n", 16}},
	    {{"a\nFrom\nFrom b", 13}, {"a\nFrom\n>From b\n", 15}},
	    {{">From a\nFrom:\n from \nfrom \n", 27}, {">From a\nFrom:\n from \nfrom \n", 27}},
	    {{"\n\nFrom a\n\n", 10}, {"\n\n>From a\n\n", 11}},
	    {{"Fro", 3}, {"Fro\n", 4}},
	    {{"FrFrom \n", 8}, {"FrFrom \n", 8}},
	    {{"\0From \n\0\nFrom \0", 15}, {"\0From \n\0\n>From \0\n", 17}},
	    {{"a\rFrom \n", 8}, {"a\rFrom \n", 8}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t cut = 0; cut <= cases[i].in.len; cut++) {
			struct mbox_escape e = {0};
			struct buf out = {0};

			mbox_escape(&e, str_sub(cases[i].in, 0, cut), &out);
			mbox_escape(&e, str_from(cases[i].in, cut), &out);
			mbox_escape_end(&e, &out);
			assert_int_equal(out.len, cases[i].out.len);
			assert_memory_equal(out.data, cases[i].out.data, out.len);
			buf_free(&out);
		}
	}
}

static void
test_append(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_true(mbox_check(f->mbox, &f->problem));
	assert_int_equal(access(f->path, F_OK), -1);
	assert_true(append(f, STR("\nFrom a\nb")));
	expect_file(f, STR("From s  date\nH: 1\n\n>From a\nb\n\n"));
	assert_true(append(f, STR_EMPTY));
	expect_file(f, STR("From s  date\nH: 1\n\n>From a\nb\n\nFrom s  date\nH: 1\n\n"));
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(f->lock, F_OK), -1);
}

/* What stands there already may end in the middle of a message. */
static void
test_tail(void **state)
{
	static const struct {
		struct str before, between;
	} cases[] = {
	    {{"", 0}, {"", 0}},
	    {{"x", 1}, {"\n\n", 2}},
	    {{"\n", 1}, {"", 0}},
	    {{"x\n", 2}, {"\n", 1}},
	    {{"x\n\n", 3}, {"", 0}},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf expected = {0};

		put_file(f, cases[i].before);
		assert_true(append(f, STR("b\n")));
		buf_str(&expected, cases[i].before);
		buf_str(&expected, cases[i].between);
		buf_puts(&expected, "From s  date\nH: 1\nb\n\n");
		expect_file(f, buf_view(&expected));
		buf_free(&expected);
	}
}

/* 30 MB from a file, with a line to escape across every border of its pieces. */
static void
test_large(void **state)
{
	enum { LINES = 3000000 };
	struct fixture *f = *state;
	struct buf body = {0}, stored = {0};
	struct store_message message = message_of(STR_EMPTY);
	size_t start = message.envelope.len + message.head.len;
	int fd = place_scratch(f->dir);

	for (size_t i = 0; i < LINES; i++)
		buf_puts(&body, i % 2 ? "From abcd\n" : "0123456789\n");
	assert_int_equal(io_write_all(fd, body.data, body.len), 0);
	message.fd = fd;
	message.size = body.len;
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_OK);
	assert_true(mbox_append(f->mbox, &message, &f->problem));
	assert_true(mbox_commit(f->mbox, &f->problem));
	mbox_unlock(f->mbox);
	assert_int_equal(io_read_file(f->path, FILE_MAX, &stored), 0);
	assert_int_equal(stored.len, start + body.len + LINES / 2 + 1);
	for (size_t in = 0, at = start; in < body.len; in++, at++) {
		if (body.data[in] == 'F')
			assert_int_equal(stored.data[at++], '>');
		if (stored.data[at] != body.data[in])
			fail_msg("byte %zu differs", at);
	}
	assert_int_equal(io_close(&fd), 0);
	buf_free(&body);
	buf_free(&stored);
}

/* --- The way back ----------------------------------------------------------------------------------- */

/* The second of three messages does not fit: the others are there, whole. */
static void
test_full(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, small;
	struct buf large = {0};
	struct store_message message = message_of(STR("b\n"));

	while (large.len < 8192)
		buf_puts(&large, "From the middle\n");
	put_file(f, STR("old\n\n"));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_OK);
	assert_true(mbox_append(f->mbox, &message, &f->problem));
	message.body = buf_view(&large);
	assert_false(mbox_append(f->mbox, &message, &f->problem));
	message.body = STR("c\n");
	assert_true(mbox_append(f->mbox, &message, &f->problem));
	assert_true(mbox_commit(f->mbox, &f->problem));
	mbox_unlock(f->mbox);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	expect_why(f, "4.2.2", "cannot write to mailbox");
	expect_file(f, STR("old\n\nFrom s  date\nH: 1\nb\n\nFrom s  date\nH: 1\nc\n\n"));
	buf_free(&large);
}

/* Just up to the limit, and one byte over it; also when only the escaping makes it too long. */
static void
test_size_limit(void **state)
{
	static const char stored[] = "From s  date\nH: 1\n>From b\n\n";
	struct fixture *f = *state;

	f->options.size_limit = 3 + sizeof(stored) - 1;
	set_options(f);
	put_file(f, STR("o\n\n"));
	assert_true(append(f, STR("From b\n")));
	for (size_t less = 1; less < 20; less += 9) {
		f->options.size_limit = 3 + sizeof(stored) - 1 - less;
		set_options(f);
		put_file(f, STR("o\n\n"));
		assert_false(append(f, STR("From b\n")));
		expect_why(f, "4.2.2", "mailbox_size_limit");
		expect_file(f, STR("o\n\n"));
	}
	/* It is over the limit as it is. */
	f->options.size_limit = 2;
	set_options(f);
	assert_false(append(f, STR("b\n")));
	expect_file(f, STR("o\n\n"));
}

/* --- Refusals ----------------------------------------------------------------------------------------- */

static void
refused(struct fixture *f, const char *why)
{
	assert_false(mbox_check(f->mbox, &f->problem));
	expect_why(f, "4.2.0", why);
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_FAILED);
	assert_int_equal(access(f->lock, F_OK), -1);
}

static void
test_refused(void **state)
{
	struct fixture *f = *state;
	char *other = path_of(f, "other");

	put_file(f, STR("x\n\n"));
	assert_int_equal(link(f->path, other), 0);
	refused(f, "has 2 links");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(symlink("other", f->path), 0);
	refused(f, "mailbox");
	expect_why(f, "4.2.0", "symbolic link");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	refused(f, "not a regular file");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	refused(f, "mailbox");
	assert_int_equal(rmdir(f->path), 0);
	if (geteuid() == 0) {
		put_file(f, STR("x\n\n"));
		assert_int_equal(chown(f->path, 12345, 0), 0);
		refused(f, "belongs to uid 12345");
		f->options.any_owner = true;
		set_options(f);
		assert_true(append(f, STR("b\n")));
	}
	free(other);
}

/* --- Locks -------------------------------------------------------------------------------------------- */

/* A child that holds a lock of KIND on the mailbox until it is killed. */
static pid_t
hold(const struct fixture *f, unsigned kind)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ready[2], fd;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fd = open(f->path, O_RDWR | O_CREAT, 0600);
		if ((kind == MBOX_LOCK_FCNTL ? fcntl(fd, F_SETLKW, &all) : flock(fd, LOCK_EX)) ==
			0 &&
		    write(ready[1], "r", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void
let_go(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
test_file_locks(void **state)
{
	static const unsigned kinds[] = {MBOX_LOCK_FCNTL, MBOX_LOCK_FLOCK};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		pid_t pid = hold(f, kinds[i]);

		f->options.locks = ALL_LOCKS;
		set_options(f);
		assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_BUSY);
		expect_why(f, "4.2.0", i == 0 ? "(fcntl)" : "(flock)");
		assert_int_equal(access(f->lock, F_OK), -1);
		/* Who is told to use the other kind alone does not see it. */
		f->options.locks = kinds[1 - i];
		set_options(f);
		assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_OK);
		let_go(pid);
		f->options.locks = ALL_LOCKS;
		set_options(f);
		assert_true(append(f, STR("b\n")));
	}
}

static void
test_dotlock(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->lock, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(io_close(&fd), 0);
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_BUSY);
	expect_why(f, "4.2.0", "cannot create lock file");
	assert_int_equal(access(f->path, F_OK), -1);
	/* Still somebody's; then nobody's. */
	f->options.stale = 1;
	set_options(f);
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_BUSY);
	sleep(3);
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_OK);
	assert_int_equal(access(f->lock, F_OK), 0);
	mbox_unlock(f->mbox);
	assert_int_equal(access(f->lock, F_OK), -1);
	/* One that has taken the place of ours is not removed. */
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_OK);
	char *kept = path_of(f, "kept");
	assert_int_equal(rename(f->lock, kept), 0);
	fd = open(f->lock, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(io_close(&fd), 0);
	mbox_unlock(f->mbox);
	assert_int_equal(access(f->lock, F_OK), 0);
	free(kept);
}

/* Of another user it is no lock that could be left over, however old, but perhaps their mailbox. */
static void
test_dotlock_of_others(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->lock, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(io_close(&fd), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(f->lock, 1, (gid_t)-1), 0);
	else
		f->options.owner = geteuid() + 1;
	f->options.any_owner = true;
	f->options.stale = 1;
	set_options(f);
	sleep(3);
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_BUSY);
	assert_int_equal(access(f->lock, F_OK), 0);
}

/* A child that has the mailbox locked until it is killed. */
static pid_t
lock_in_child(struct fixture *f)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (mbox_lock(f->mbox, &f->problem) == MBOX_OK && write(ready[1], "r", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* The lock file of a process that was killed holds up nobody; that of a living one does. */
static void
test_dotlock_of_dead(void **state)
{
	struct fixture *f = *state;
	pid_t pid = lock_in_child(f);

	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_BUSY);
	expect_why(f, "4.2.0", "cannot create lock file");
	assert_int_equal(access(f->lock, F_OK), 0);
	let_go(pid);
	assert_int_equal(access(f->lock, F_OK), 0);
	assert_true(append(f, STR("b\n")));
	assert_int_equal(access(f->lock, F_OK), -1);
}

/* One that was made in the dead one's place belongs to its maker. */
static void
test_dotlock_replaced(void **state)
{
	struct fixture *f = *state;
	pid_t pid = lock_in_child(f);
	int fd;

	let_go(pid);
	assert_int_equal(unlink(f->lock), 0);
	fd = open(f->lock, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(io_close(&fd), 0);
	assert_int_equal(mbox_lock(f->mbox, &f->problem), MBOX_BUSY);
	assert_int_equal(access(f->lock, F_OK), 0);
}

static void
test_below_home(void **state)
{
	struct fixture *f = *state;

	f->options.path = "mail/in/box";
	set_options(f);
	assert_true(mbox_check(f->mbox, &f->problem));
	assert_true(append(f, STR("b\n")));
	free(f->path);
	f->path = path_of(f, "mail/in/box");
	expect_file(f, STR("From s  date\nH: 1\nb\n\n"));
}

/* --- Header lines --------------------------------------------------------------------------------------- */

static void
test_head(void **state)
{
	struct buf out = {0};

	(void)state;
	store_head(STR("a@b"), STR("c@d"), STR("e@f"), &out);
	assert_string_equal(
	    buf_cstr(&out), "Return-Path: <a@b>\nX-Original-To: c@d\nDelivered-To: e@f\n");
	buf_reset(&out);
	store_head(STR_EMPTY, STR_EMPTY, STR("e\n@f"), &out);
	assert_string_equal(buf_cstr(&out), "Return-Path: <>\nDelivered-To: e?@f\n");
	buf_reset(&out);
	store_envelope(STR_EMPTY, 0, &out);
	assert_memory_equal(out.data, "From MAILER-DAEMON  ", 20);
	assert_int_equal(out.len, 20 + 24 + 1);
	buf_free(&out);
}

static void
test_loops(void **state)
{
	static const struct {
		const char *text;
		bool loop;
	} cases[] = {
	    {"Delivered-To: a@b\n\nbody", true},
	    {"X: y\r\ndelivered-to:A@B \r\n\r\n", true},
	    {"Delivered-To: a@b", true},
	    {"Delivered-To: aa@b\n\n", false},
	    {"X-Delivered-To: a@b\n\n", false},
	    {"X: y\n\nDelivered-To: a@b\n", false},
	    {"X: y\n Delivered-To: a@b\n\n", false},
	    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (store_was_delivered_to(str_c(cases[i].text), STR("a@b")) != cases[i].loop)
			fail_msg("case %zu", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_escape),
	    cmocka_unit_test_setup_teardown(test_append, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_tail, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_size_limit, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_file_locks, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_dotlock, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_dotlock_of_others, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_dotlock_of_dead, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_dotlock_replaced, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_below_home, set_up, tear_down),
	    cmocka_unit_test(test_head),
	    cmocka_unit_test(test_loops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
