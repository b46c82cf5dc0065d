/*
 * jail - the chroots of confined programs
 *
 * queue_directory/jail/PROGRAM holds hard links to the sockets that endpoint.c's table lets the program
 * reach, and nothing else. All directories on the way are root's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "master/master.h"

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return lstat(a, &x) == 0 && lstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	    x.st_ino == y.st_ino;
}

/* jail/PROGRAM/PATH becomes a link to PATH; an older one is replaced in one step. */
static void
link_socket(const char *program, const char *path)
{
	struct buf to = {0}, temporary = {0}, dir = {0};

	buf_printf(&to, "jail/%s/%s", program, path);
	buf_printf(&temporary, "jail/%s/%s.new", program, path);
	buf_printf(&dir, "jail/%s/%.*s", program, (int)strcspn(path, "/"), path);
	if (same_file(path, buf_cstr(&to)))
		goto out;
	if (mkdir(buf_cstr(&dir), 0711) < 0 && errno != EEXIST)
		log_warning("cannot make %s: %s", buf_cstr(&dir), strerror(errno));
	if (unlink(buf_cstr(&temporary)) < 0 && errno != ENOENT)
		log_warning("cannot remove %s: %s", buf_cstr(&temporary), strerror(errno));
	if (link(path, buf_cstr(&temporary)) < 0 || rename(buf_cstr(&temporary), buf_cstr(&to)) < 0)
		log_error("%s cannot reach %s: link to %s: %s", program, path, buf_cstr(&to),
		    strerror(errno));
out:
	buf_free(&to);
	buf_free(&temporary);
	buf_free(&dir);
}

static bool
wanted(const struct plan *plan, const struct program *p, const char *path)
{
	for (const char *const *reach = p->reaches; reach && *reach; reach++)
		if (strcmp(*reach, path) == 0)
			return plan_provides(plan, path);
	return false;
}

/* Links to what is gone would hold dead sockets, or live ones that are out of bounds now. */
static void
remove_others(const struct plan *plan, const struct program *p, const char *folder)
{
	struct buf path = {0}, name = {0};
	struct dirent *entry;
	DIR *dir;

	buf_printf(&path, "jail/%s/%s", p->name, folder);
	dir = opendir(buf_cstr(&path));
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		buf_reset(&name);
		buf_printf(&name, "%s/%s", folder, entry->d_name);
		if (!wanted(plan, p, buf_cstr(&name)) && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			log_warning("cannot remove %s/%s: %s", buf_cstr(&path), entry->d_name,
			    strerror(errno));
	}
	if (dir)
		closedir(dir);
	buf_free(&path);
	buf_free(&name);
}

void
jail_link(const struct plan *plan)
{
	if (plan->unprivileged)
		return;
	for (const struct program *p = program_table; p->name; p++) {
		if (!program_has_jail(p))
			continue;
		remove_others(plan, p, "private");
		remove_others(plan, p, "public");
		for (const char *const *path = p->reaches; path && *path; path++)
			if (plan_provides(plan, *path))
				link_socket(p->name, *path);
	}
}
