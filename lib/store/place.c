/*
 * place - opening directories step by step: see place.h
 *
 * openat2() would do some of this, but its rules know nothing of owners, and sandboxes cannot look at
 * its arguments.
 */
#include "config.h"

#include "lib/store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/random.h"

#define DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)

bool
place_sync(int dir, int file)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok;

	/* A directory that may be written but not read: the long way round. */
	if (fd < 0)
		return (errno == EACCES || errno == EPERM) && file >= 0 && syncfs(file) == 0;
	ok = fsync(fd) == 0;
	(void)io_close(&fd);
	return ok;
}

bool
place_make(int dir, const char *name)
{
	if (mkdirat(dir, name, 0700) != 0)
		return errno == EEXIST;
	return place_sync(dir, -1);
}

static bool
trusted_link(int dir, const char *name, uid_t owner)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
	    (st.st_uid == 0 || st.st_uid == owner);
}

/* One step; -1 with errno. */
static int
step(int dir, const char *name, uid_t owner, bool make)
{
	int fd = openat(dir, name, DIRECTORY | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT && make) {
		if (!place_make(dir, name))
			return -1;
		return openat(dir, name, DIRECTORY | O_NOFOLLOW);
	}
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR) && trusted_link(dir, name, owner))
		return openat(dir, name, DIRECTORY);
	return fd;
}

static bool
copy_name(struct str name, char out[NAME_MAX + 1])
{
	if (name.len > NAME_MAX)
		return false;
	memcpy(out, name.data, name.len);
	out[name.len] = '\0';
	return true;
}

int
place_open(
    const char *base, const char *path, uid_t owner, bool make, int *error, struct store_problem *p)
{
	struct str rest = str_c(path), name;
	int fd = open(base, DIRECTORY), next, err = errno;

	while (fd >= 0 && str_token(&rest, "/", &name)) {
		char text[NAME_MAX + 1];

		errno = ENAMETOOLONG;
		next = copy_name(name, text) ? step(fd, text, owner, make) : -1;
		err = errno;
		(void)io_close(&fd);
		fd = next;
	}
	if (fd >= 0)
		return fd;
	if (error)
		*error = err;
	if (err == ELOOP || err == ENOTDIR)
		store_problem(
		    p, err, "%s/%s: not a directory, or a link of somebody else", base, path);
	else
		store_problem(p, err, "%s%s%s", base, *path ? "/" : "", path);
	return -1;
}

int
place_scratch(const char *dir)
{
	struct buf name = {0};
	unsigned char noise[16];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	/* A file system that has none without a name: one whose name goes at once. */
	random_bytes(noise, sizeof(noise));
	buf_printf(&name, "%s/.postkeep.", dir);
	for (size_t i = 0; i < sizeof(noise); i++)
		buf_printf(&name, "%02x", noise[i]);
	fd = open(buf_cstr(&name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && unlink(buf_cstr(&name)) != 0)
		(void)io_close(&fd);
	buf_free(&name);
	return fd;
}
