/*
 * confine - a service process gives up what it does not need
 *
 * Order matters: what needs files comes first (users, time zone), then the chroot, then the user, then
 * the filter. Nothing here comes back: any failure ends the process.
 */
#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/service/internal.h"

/* Descriptors: of a session the client and its channels, and a reserve for the process. */
#define FDS_PER_SESSION 4
#define FDS_RESERVE 256

/*
 * What the C library opens late, opened now. With TZ unset localtime() looks at /etc/localtime at every
 * call, and in a chroot it would fall back to UTC; with TZ set it looks once.
 */
static void
load_early(const struct service_process *p)
{
	char scratch[16384];
	struct passwd pw, *found;

	if (setenv("TZ", ":/etc/localtime", 0) != 0)
		log_fatal("setenv: %s", strerror(errno));
	tzset();
	/* Asking for nobody makes each name service module load; the filter forbids that later. */
	if (p->service->sandbox == SANDBOX_FILES)
		(void)getpwnam_r("no-such-user.invalid", &pw, scratch, sizeof(scratch), &found);
}

/*
 * No limit on address space or processes: fibers reserve stacks they do not touch, the kernel counts
 * the threads of all processes of a user together, and new processes are the filter's matter.
 */
static void
raise_descriptors(const struct service_process *p)
{
	struct rlimit limit;
	rlim_t want = (rlim_t)p->limit * FDS_PER_SESSION + FDS_RESERVE;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_fatal("getrlimit: %s", strerror(errno));
	if (limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want;
	if (limit.rlim_max < want && geteuid() == 0)
		limit.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
			log_warning("only %ld open files allowed, %ld are needed for %u sessions",
			    (long)limit.rlim_max, (long)want, p->limit);
	}
}

static void
enter_jail(const char *program)
{
	struct stat root;
	struct buf path = {0};

	buf_printf(&path, "%s/jail/%s", conf_cstr(conf_get(), P_queue_directory), program);
	if (chdir(buf_cstr(&path)) != 0)
		log_fatal("%s: %s; \"postkeep set-permissions\" makes it", buf_cstr(&path),
		    strerror(errno));
	if (stat(".", &root) != 0)
		log_fatal("%s: %s", buf_cstr(&path), strerror(errno));
	if (root.st_uid != 0 || (root.st_mode & 022) != 0)
		log_fatal(
		    "%s: must belong to root, and nobody else may write there", buf_cstr(&path));
	if (chroot(".") != 0 || chdir("/") != 0)
		log_fatal("chroot %s: %s", buf_cstr(&path), strerror(errno));
	buf_free(&path);
}

static void
become_user(const struct service_process *p, struct buf *why)
{
	enum service_user user = p->program->user;
	uid_t uid = p->ids.uid[user];
	gid_t gid = p->ids.gid[user];
	bool ok;

	if (p->ids.unprivileged || user == SERVICE_USER_ROOT) {
		ok = service_harden(p->service->sandbox, why);
	} else if (!p->args.unprivileged_user) {
		log_warning("runs as root, since master.cf says \"n\" in the unpriv column");
		ok = service_harden(p->service->sandbox, why);
	} else {
		ok = service_become(uid, gid, NULL, 0, p->service->sandbox, why);
	}
	if (!ok)
		log_fatal("cannot confine the process: %s", buf_cstr(why));
}

void
service_confine(struct service_process *p)
{
	struct buf why = {0};

	load_early(p);
	raise_descriptors(p);
	if (p->args.jail && !p->ids.unprivileged)
		enter_jail(p->program->name);
	become_user(p, &why);
	buf_free(&why);
}
