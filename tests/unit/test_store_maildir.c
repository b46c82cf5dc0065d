/*
 * test_store_maildir - messages into a Maildir: content, names, many at once, and what is refused
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/store/maildir.h"

#define FIBERS 50
#define ROUNDS 4
#define FILE_MAX ((size_t)64 * 1024 * 1024)

struct fixture {
	char dir[64];
	struct maildir *maildir;
	struct store_problem problem;
};

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static int
set_up(void **state)
{
	struct fixture *f = MEM_NEW(struct fixture);

	strcpy(f->dir, "/tmp/postkeep-maildir.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->maildir = maildir_new(f->dir, "Maildir/", geteuid(), "host/a:b");
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	maildir_free(&f->maildir);
	buf_free(&f->problem.why);
	assert_int_equal(nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(f);
	return 0;
}

static char *
path_of(const struct fixture *f, const char *name)
{
	struct buf path = {0};

	buf_printf(&path, "%s/%s", f->dir, name);
	return buf_take(&path);
}

/* Names in DIR of the mailbox, "." and ".." left out; NAME (unless NULL) gets the last one. */
static size_t
count_files(const struct fixture *f, const char *dir, char **name)
{
	char *path = path_of(f, dir);
	DIR *d = opendir(path);
	const struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (name) {
			free(*name);
			*name = mem_strdup(e->d_name);
		}
	}
	closedir(d);
	free(path);
	return n;
}

/* The content of the only file in new/, which is removed; its name is checked against the content. */
static void
take_only(const struct fixture *f, struct buf *content)
{
	char *name = NULL, *path;
	struct buf full = {0};
	uint64_t size, wire;
	size_t lines = 0;
	const char *fields;

	assert_int_equal(count_files(f, "Maildir/new", &name), 1);
	buf_printf(&full, "Maildir/new/%s", name);
	path = path_of(f, buf_cstr(&full));
	buf_reset(content);
	assert_int_equal(io_read_file(path, FILE_MAX, content), 0);
	for (size_t i = 0; i < content->len; i++)
		lines += content->data[i] == '\n';
	fields = strstr(name, ".host\\057a\\072b,S=");
	assert_non_null(fields);
	assert_int_equal(sscanf(strchr(fields, ','), ",S=%" SCNu64 ",W=%" SCNu64, &size, &wire), 2);
	assert_int_equal(size, content->len);
	assert_int_equal(wire, content->len + lines);
	assert_int_equal(unlink(path), 0);
	free(path);
	free(name);
	buf_free(&full);
}

static bool
deliver(struct maildir *m, struct str head, struct str body, struct store_problem *p)
{
	const struct store_message message = {.head = head, .body = body, .fd = -1};
	struct maildir_file *file = maildir_create(m, p);
	bool ok = file && maildir_put(file, &message, p) && maildir_keep(file, NULL, p) &&
	    (maildir_durable(file) || maildir_sync(file, p)) && maildir_durable(file);

	maildir_drop(&file);
	return ok;
}

static void
test_content(void **state)
{
	static const struct {
		struct str body, stored;
	} cases[] = {
	    {{"a\n", 2}, {"H: 1\na\n", 7}},
	    {{"a", 1}, {"H: 1\na\n", 7}},
	    {{"", 0}, {"H: 1\n", 5}},
	    {{"\n\n", 2}, {"H: 1\n\n\n", 7}},
	    {{"a\rb\r", 4}, {"H: 1\na\rb\r\n", 10}},
	    {{"a\0b\n\0", 5}, {"H: 1\na\0b\n\0\n", 11}},
	    {{"\nFrom me\n", 9}, {"H: 1\n\nFrom me\n", 14}},
	};
	struct fixture *f = *state;
	struct buf content = {0};
	struct stat st;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(deliver(f->maildir, STR("H: 1\n"), cases[i].body, &f->problem));
		take_only(f, &content);
		assert_int_equal(content.len, cases[i].stored.len);
		assert_memory_equal(content.data, cases[i].stored.data, content.len);
	}
	assert_int_equal(count_files(f, "Maildir/tmp", NULL), 0);
	char *path = path_of(f, "Maildir/cur");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	free(path);
	buf_free(&content);
}

/* In pieces, and a second copy read back from the first. */
static void
test_large(void **state)
{
	enum { PIECES = 3000, PIECE = 10000 };
	struct fixture *f = *state;
	struct buf piece = {0}, content = {0};
	struct maildir_file *first = maildir_create(f->maildir, &f->problem), *second;
	struct store_message copy = {.head = STR("Second: x\n")};

	assert_non_null(first);
	while (piece.len < PIECE - 1)
		buf_putc(&piece, (char)('a' + piece.len % 26));
	buf_putc(&piece, '\n');
	assert_true(maildir_write(first, STR("First: x\n"), &f->problem));
	for (int i = 0; i < PIECES; i++)
		assert_true(maildir_write(first, buf_view(&piece), &f->problem));
	assert_int_equal(maildir_size(first), 9 + (uint64_t)PIECES * PIECE);
	copy.fd = maildir_fd(first);
	copy.at = 9;
	copy.size = (uint64_t)PIECES * PIECE;
	second = maildir_create(f->maildir, &f->problem);
	assert_true(maildir_put(second, &copy, &f->problem));
	assert_true(maildir_keep(second, NULL, &f->problem));
	/* The first is dropped: nothing of it stays. */
	maildir_drop(&first);
	maildir_drop(&second);
	take_only(f, &content);
	assert_int_equal(content.len, copy.head.len + copy.size);
	for (int i = 0; i < PIECES; i++)
		assert_memory_equal(
		    content.data + copy.head.len + (size_t)i * PIECE, piece.data, PIECE);
	assert_int_equal(count_files(f, "Maildir/tmp", NULL), 0);
	buf_free(&piece);
	buf_free(&content);
}

static void
test_given_up(void **state)
{
	struct fixture *f = *state;
	const atomic_bool yes = true, no = false;
	struct maildir_file *file = maildir_create(f->maildir, &f->problem);

	assert_true(maildir_write(file, STR("x\n"), &f->problem));
	assert_false(maildir_keep(file, &yes, &f->problem));
	assert_int_equal(count_files(f, "Maildir/tmp", NULL), 1);
	maildir_drop(&file);
	assert_int_equal(count_files(f, "Maildir/tmp", NULL), 0);
	assert_int_equal(count_files(f, "Maildir/new", NULL), 0);
	file = maildir_create(f->maildir, &f->problem);
	assert_true(maildir_keep(file, &no, &f->problem));
	/* One sync serves all that were kept before it, and none that were kept after it. */
	struct maildir_file *later = maildir_create(f->maildir, &f->problem);
	assert_false(maildir_durable(file));
	assert_true(maildir_sync(file, &f->problem));
	assert_true(maildir_durable(file));
	assert_true(maildir_keep(later, NULL, &f->problem));
	assert_false(maildir_durable(later));
	maildir_drop(&file);
	maildir_drop(&later);
}

/* The user does as users do between two messages. */
static void
test_moved_away(void **state)
{
	struct fixture *f = *state;
	char *old = path_of(f, "Maildir"), *moved = path_of(f, "Old");
	char *tmp = path_of(f, "Maildir/tmp");

	assert_true(deliver(f->maildir, STR("A: b\n"), STR_EMPTY, &f->problem));
	assert_int_equal(rename(old, moved), 0);
	assert_true(deliver(f->maildir, STR("A: b\n"), STR_EMPTY, &f->problem));
	assert_int_equal(count_files(f, "Maildir/new", NULL), 1);
	assert_int_equal(count_files(f, "Old/new", NULL), 1);
	assert_int_equal(rmdir(tmp), 0);
	assert_true(deliver(f->maildir, STR("A: b\n"), STR_EMPTY, &f->problem));
	assert_int_equal(count_files(f, "Maildir/new", NULL), 2);
	free(old);
	free(moved);
	free(tmp);
}

static void
refused(struct fixture *f, const char *dsn, const char *why)
{
	assert_false(maildir_check(f->maildir, &f->problem));
	assert_false(deliver(f->maildir, STR("A: b\n"), STR_EMPTY, &f->problem));
	assert_string_equal(f->problem.dsn, dsn);
	if (!strstr(buf_cstr(&f->problem.why), why))
		fail_msg("\"%s\" is not in \"%s\"", why, buf_cstr(&f->problem.why));
}

/* So it is with the parts of it: what somebody has moved away, or removed, is made again. */
static void
test_part_moved_away(void **state)
{
	static const char *const parts[] = {"Maildir/new", "Maildir/tmp"};
	struct fixture *f = *state;
	struct buf content = {0};

	assert_true(deliver(f->maildir, STR("H: 1\n"), STR("\nfirst\n"), &f->problem));
	take_only(f, &content);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char *part = path_of(f, parts[i]), *moved = path_of(f, "moved");

		assert_int_equal(rename(part, moved), 0);
		assert_true(deliver(f->maildir, STR("H: 1\n"), STR("\nsecond\n"), &f->problem));
		take_only(f, &content);
		assert_int_equal(rmdir(moved), 0);
		assert_int_equal(rmdir(part), 0);
		assert_true(deliver(f->maildir, STR("H: 1\n"), STR("\nthird\n"), &f->problem));
		take_only(f, &content);
		free(moved);
		free(part);
	}
	buf_free(&content);
}

static void
test_refused(void **state)
{
	struct fixture *f = *state;
	char *place = path_of(f, "Maildir"), *other = path_of(f, "other");
	int fd;

	assert_true(maildir_check(f->maildir, &f->problem));
	assert_int_equal(access(place, F_OK), -1);
	/* A file in its place. */
	fd = open(place, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(io_close(&fd), 0);
	refused(f, "4.2.0", "not a directory");
	assert_int_equal(unlink(place), 0);
	/* A link of one's own is followed, also to what is not there yet. */
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(symlink("other", place), 0);
	assert_true(deliver(f->maildir, STR("A: b\n"), STR_EMPTY, &f->problem));
	assert_int_equal(count_files(f, "other/new", NULL), 1);
	if (geteuid() == 0) {
		/* The link of somebody else is not; nor is somebody else's directory taken. */
		maildir_free(&f->maildir);
		f->maildir = maildir_new(f->dir, "Maildir", geteuid(), "host");
		assert_int_equal(lchown(place, 12345, 0), 0);
		refused(f, "4.2.0", "a link of somebody else");
		assert_int_equal(lchown(place, 0, 0), 0);
		assert_int_equal(chown(other, 12345, 0), 0);
		refused(f, "4.2.0", "belongs to uid 12345");
	}
	maildir_free(&f->maildir);
	f->maildir = maildir_new("/nowhere-at-all", "Maildir", geteuid(), "host");
	refused(f, "4.2.0", "/nowhere-at-all");
	free(place);
	free(other);
}

/* A file system that takes no more: the limit on the size of a file stands for a quota. */
static void
test_full(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, small;
	struct buf body = {0}, content = {0};

	while (body.len < 8192)
		buf_puts(&body, "sixteen bytes..\n");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_false(deliver(f->maildir, STR("A: b\n"), buf_view(&body), &f->problem));
	assert_true(deliver(f->maildir, STR("A: b\n"), STR("small\n"), &f->problem));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_string_equal(f->problem.dsn, "4.2.2");
	assert_int_equal(count_files(f, "Maildir/tmp", NULL), 0);
	take_only(f, &content);
	assert_true(str_eq(buf_view(&content), STR("A: b\nsmall\n")));
	buf_free(&body);
	buf_free(&content);
}

/* --- Many at once --------------------------------------------------------------------------------- */

struct many {
	struct maildir *maildir;
	size_t running, good;
	struct fiber_waitq done;
};

struct job {
	struct maildir *maildir;
	bool ok;
};

static void
job(void *arg)
{
	struct job *j = arg;
	struct store_problem p = {0};

	j->ok = deliver(j->maildir, STR("A: b\n"), STR("body\n"), &p);
	buf_free(&p.why);
}

static void
one_of_many(void *arg)
{
	struct many *m = arg;
	struct job j = {.maildir = m->maildir};

	for (int i = 0; i < ROUNDS; i++) {
		fiber_offload(FIBER_POOL_SYNC, job, &j);
		m->good += j.ok;
	}
	m->running--;
	fiber_wake_all(&m->done);
}

static void
many_fiber(void *arg)
{
	struct many *m = arg;

	fiber_waitq_init(&m->done);
	m->running = FIBERS;
	for (int i = 0; i < FIBERS; i++)
		fiber_spawn("one of many", one_of_many, m);
	while (m->running > 0)
		assert_int_equal(fiber_wait(&m->done, fiber_after(30000)), FIBER_OK);
}

static void
test_many(void **state)
{
	struct fixture *f = *state;
	struct many m = {.maildir = f->maildir};

	fiber_main(many_fiber, &m);
	assert_int_equal(m.good, FIBERS * ROUNDS);
	assert_int_equal(count_files(f, "Maildir/new", NULL), FIBERS * ROUNDS);
	assert_int_equal(count_files(f, "Maildir/tmp", NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_content, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_given_up, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_moved_away, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_part_moved_away, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
