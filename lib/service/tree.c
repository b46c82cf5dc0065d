/*
 * tree - makes, checks and repairs the directories of a suite
 *
 * Runs as root on paths that lower users may own: each directory is opened without following links,
 * and looked at and changed through that descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/service/endpoint.h"
#include "lib/service/tree.h"

struct tree_entry {
	const char *path; /* relative to queue_directory */
	enum service_user owner;
	bool postdrop; /* the group */
	bool masters;  /* master makes it when it is missing */
	mode_t mode;
};

static const struct tree_entry tree_table[] = {
    {".", SERVICE_USER_ROOT, false, false, 0755},
    {"pid", SERVICE_USER_ROOT, false, true, 0755},
    {"private", SERVICE_USER_ROOT, false, true, 0711},
    {"public", SERVICE_USER_ROOT, false, true, 0755},
    {"jail", SERVICE_USER_ROOT, false, true, 0755},
    {"slots", SERVICE_USER_QUEUE, false, true, 0700},
    {"corrupt", SERVICE_USER_QUEUE, false, true, 0700},
    {"maildrop", SERVICE_USER_WORK, true, true, 01730},
};

/* One walk. */
struct tree_walk {
	const struct service_ids *ids;
	enum tree_mode mode;
	struct conf_problems *problems;
	void (*say)(const char *text);
	const char *root; /* queue_directory */
	int root_fd;
	bool look; /* TREE_START, first round: what may be made may be missing */
	bool wrong;
};

static void wrong(struct tree_walk *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void said(struct tree_walk *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
wrong(struct tree_walk *w, const char *format, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&b, format, ap);
	va_end(ap);
	conf_problem(w->problems, CONF_ERROR, NULL, 0, "%s", buf_cstr(&b));
	buf_free(&b);
	w->wrong = true;
}

static void
said(struct tree_walk *w, const char *format, ...)
{
	struct buf b = {0};
	va_list ap;

	if (!w->say)
		return;
	va_start(ap, format);
	buf_vprintf(&b, format, ap);
	va_end(ap);
	w->say(buf_cstr(&b));
	buf_free(&b);
}

static gid_t
group_of(const struct service_ids *ids, const struct tree_entry *e)
{
	if (ids->unprivileged)
		return (gid_t)-1; /* any */
	return e->postdrop ? ids->postdrop : ids->gid[e->owner];
}

/* Brings FD (NAME, as found in ST) to the owner and mode wanted, or says what is wrong. */
static void
fix(struct tree_walk *w, int fd, const char *name, const struct stat *st, uid_t uid, gid_t gid,
    mode_t mode)
{
	bool owner_ok = st->st_uid == uid && (gid == (gid_t)-1 || st->st_gid == gid);
	bool mode_ok = (st->st_mode & 07777) == mode;

	/* An ordinary user's own directories need only be safe from others. */
	if (w->ids->unprivileged && (st->st_mode & 0700) == 0700)
		mode_ok = (st->st_mode & 022 & ~mode) == 0;
	if (owner_ok && mode_ok)
		return;
	if (w->mode != TREE_REPAIR) {
		wrong(w,
		    "%s has owner %u:%u and mode %04o, must be %u:%u and %04o: run "
		    "\"postkeep set-permissions\"",
		    name, (unsigned)st->st_uid, (unsigned)st->st_gid,
		    (unsigned)(st->st_mode & 07777), (unsigned)uid,
		    (unsigned)(gid == (gid_t)-1 ? st->st_gid : gid), (unsigned)mode);
		return;
	}
	/* chown takes the set-group-id bit away, so the mode comes last. */
	if (!owner_ok && fchown(fd, uid, gid) < 0)
		wrong(w, "cannot change the owner of %s: %s", name, strerror(errno));
	else if (fchmod(fd, mode) < 0)
		wrong(w, "cannot change the mode of %s: %s", name, strerror(errno));
	else
		said(w, "%s: now %u:%u %04o", name, (unsigned)uid,
		    (unsigned)(gid == (gid_t)-1 ? st->st_gid : gid), (unsigned)mode);
}

static bool
may_make(const struct tree_walk *w, const struct tree_entry *e)
{
	return w->mode == TREE_REPAIR ||
	    (w->mode == TREE_START && (e->masters || w->ids->unprivileged));
}

/* All of queue_directory's parents are the administrator's business and may be links. */
static bool
make_parents(struct tree_walk *w, const char *path)
{
	struct buf b = {0};

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		buf_reset(&b);
		buf_append(&b, path, (size_t)(slash - path));
		if (mkdir(buf_cstr(&b), 0755) < 0 && errno != EEXIST) {
			wrong(w, "cannot make the directory %s: %s", buf_cstr(&b), strerror(errno));
			buf_free(&b);
			return false;
		}
	}
	buf_free(&b);
	return true;
}

static void
walk_directory(struct tree_walk *w, const struct tree_entry *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct buf name = {0};
	struct stat st;
	bool made = false;
	int fd;

	buf_printf(&name, "%s/%s", w->root, e->path);
	fd = openat(w->root_fd, e->path, flags);
	if (fd < 0 && errno == ENOENT && !w->look && may_make(w, e)) {
		made = mkdirat(w->root_fd, e->path, 0700) == 0;
		fd = openat(w->root_fd, e->path, flags);
	}
	if (fd < 0 && errno == ENOENT &&
	    ((w->mode == TREE_CHECK && (e->masters || w->ids->unprivileged)) ||
		(w->look && may_make(w, e)))) {
		/* master makes it when it starts */
	} else if (fd < 0) {
		wrong(w, "%s: %s: run \"postkeep set-permissions\"", buf_cstr(&name),
		    errno == ENOENT                          ? "the directory is missing"
			: errno == ENOTDIR || errno == ELOOP ? "is not a directory"
							     : strerror(errno));
	} else if (fstat(fd, &st) < 0) {
		wrong(w, "%s: %s", buf_cstr(&name), strerror(errno));
	} else {
		enum tree_mode mode = w->mode;

		if (made)
			w->mode = TREE_REPAIR;
		fix(w, fd, buf_cstr(&name), &st, w->ids->uid[e->owner], group_of(w->ids, e),
		    e->mode);
		w->mode = mode;
	}
	io_close(&fd);
	buf_free(&name);
}

static bool
open_root(struct tree_walk *w)
{
	if (w->root[0] != '/') {
		wrong(w, "queue_directory = %s must begin with a slash", w->root);
		return false;
	}
	if (may_make(w, &tree_table[0]) &&
	    (!make_parents(w, w->root) || (mkdir(w->root, 0755) < 0 && errno != EEXIST))) {
		wrong(w, "cannot make queue_directory %s: %s", w->root, strerror(errno));
		return false;
	}
	w->root_fd = open(w->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->root_fd < 0 && errno == ENOENT && w->mode == TREE_CHECK && w->ids->unprivileged)
		return false; /* master makes it when it starts */
	if (w->root_fd < 0) {
		wrong(w, "queue_directory %s: %s; run \"postkeep set-permissions\"", w->root,
		    strerror(errno));
		return false;
	}
	return true;
}

/* jail/PROGRAM and jail/PROGRAM/private, for the programs that have one. */
static void
walk_jails(struct tree_walk *w)
{
	for (const struct program *p = program_table; p->name && !w->ids->unprivileged; p++) {
		struct tree_entry e = {"", SERVICE_USER_ROOT, false, true, 0755};
		struct buf path = {0};

		if (!program_has_jail(p))
			continue;
		buf_printf(&path, "jail/%s", p->name);
		e.path = buf_cstr(&path);
		walk_directory(w, &e);
		buf_puts(&path, "/private");
		e.path = buf_cstr(&path);
		e.mode = 0711;
		walk_directory(w, &e);
		buf_free(&path);
	}
}

static void
walk_table(struct tree_walk *w)
{
	for (size_t i = 0; i < sizeof(tree_table) / sizeof(tree_table[0]); i++)
		walk_directory(w, &tree_table[i]);
	walk_jails(w);
}

static void
walk_postdrop(struct tree_walk *w, const struct conf *c)
{
	struct buf path = {0};
	struct stat st;
	int fd;

	if (w->ids->unprivileged)
		return;
	buf_printf(&path, "%s/postdrop", conf_cstr(c, P_command_directory));
	fd = open(buf_cstr(&path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		wrong(w, "%s: %s: install the suite again, or correct command_directory",
		    buf_cstr(&path), strerror(errno));
	else
		fix(w, fd, buf_cstr(&path), &st, 0, w->ids->postdrop, 02755);
	io_close(&fd);
	buf_free(&path);
}

bool
tree_walk(const struct conf *c, const struct service_ids *ids, enum tree_mode mode,
    struct conf_problems *problems, void (*say)(const char *text))
{
	struct tree_walk w = {
	    .ids = ids,
	    .mode = mode,
	    .problems = problems,
	    .say = say,
	    .root = conf_cstr(c, P_queue_directory),
	    .root_fd = -1,
	};

	if (!open_root(&w))
		return false;
	if (mode == TREE_START) {
		w.look = true;
		walk_table(&w);
		w.look = false;
	}
	if (!w.wrong)
		walk_table(&w);
	if (mode != TREE_START)
		walk_postdrop(&w, c);
	io_close(&w.root_fd);
	return !w.wrong;
}

/* A user of the suite: there, not root, and no other one of them. */
static bool
find_user(
    const struct conf *c, enum param param, uid_t *uid, gid_t *gid, struct conf_problems *problems)
{
	const char *name = conf_cstr(c, param), *file = NULL;
	const struct passwd *pw;
	size_t line = 0;

	conf_is_set(c, param, &file, &line);
	pw = getpwnam(name);
	if (!pw) {
		conf_problem(problems, CONF_ERROR, file, line,
		    "the user \"%s\" is missing: run \"postkeep set-permissions\"", name);
		return false;
	}
	if (pw->pw_uid == 0 || pw->pw_gid == 0) {
		conf_problem(problems, CONF_ERROR, file, line,
		    "the user \"%s\" must not be root nor in its group", name);
		return false;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return true;
}

static bool
find_group(const struct conf *c, gid_t *gid, struct conf_problems *problems)
{
	const char *name = conf_cstr(c, P_setgid_group), *file = NULL;
	const struct group *gr;
	size_t line = 0;

	conf_is_set(c, P_setgid_group, &file, &line);
	gr = getgrnam(name);
	if (!gr) {
		conf_problem(problems, CONF_ERROR, file, line,
		    "the group \"%s\" is missing: run \"postkeep set-permissions\"", name);
		return false;
	}
	*gid = gr->gr_gid;
	return true;
}

/* A user may be none other of the suite's, and the drop group nobody's own. */
static bool
all_different(const struct service_ids *ids, struct conf_problems *problems)
{
	bool ok = true;

	for (int i = SERVICE_USER_QUEUE; i < SERVICE_USERS; i++) {
		for (int j = i + 1; j < SERVICE_USERS; j++)
			ok = ok && ids->uid[i] != ids->uid[j];
		if (ids->gid[i] == ids->postdrop) {
			conf_problem(problems, CONF_ERROR, NULL, 0,
			    "setgid_group must not be the own group of a user of the suite");
			return false;
		}
	}
	if (!ok)
		conf_problem(problems, CONF_ERROR, NULL, 0,
		    "mail_owner, mail_work_user and mail_network_user must be three different "
		    "users");
	return ok;
}

bool
tree_users(const struct conf *c, struct service_ids *ids, struct conf_problems *problems)
{
	static const enum param params[SERVICE_USERS] = {
	    [SERVICE_USER_QUEUE] = P_mail_owner,
	    [SERVICE_USER_WORK] = P_mail_work_user,
	    [SERVICE_USER_NETWORK] = P_mail_network_user,
	};
	bool ok = true;

	if (geteuid() != 0) {
		struct buf why = {0};

		ok = service_ids_load(c, ids, &why);
		buf_free(&why);
		return ok;
	}
	memset(ids, 0, sizeof(*ids));
	for (int i = SERVICE_USER_QUEUE; i < SERVICE_USERS; i++)
		ok &= find_user(c, params[i], &ids->uid[i], &ids->gid[i], problems);
	ok &= find_group(c, &ids->postdrop, problems);
	return ok && all_different(ids, problems);
}
