/*
 * spool - slot files: opening, making, removing: see spool.h
 *
 * Everything goes through directory descriptors; names are numbers made here. The spool belongs to one
 * uid alone, so no one else can put anything in the way.
 */
#include "config.h"

#include "lib/queue/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/mem.h"

struct spool {
	int slots; /* directory descriptors */
	int corrupt;
	int lock;
};

#define NAME_SIZE 32

static void
slot_dir(uint32_t number, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%03u", number / SPOOL_SLOTS_PER_DIR);
}

static void
slot_name(uint32_t number, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%03u/%u", number / SPOOL_SLOTS_PER_DIR, number);
}

/* Opens DIR below AT, made if it is missing. */
static int
open_dir(int at, const char *dir)
{
	if (mkdirat(at, dir, 0700) == -1 && errno != EEXIST)
		return -1;
	return openat(at, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool
take_lock(struct spool *sp, bool *busy, struct buf *why)
{
	sp->lock = openat(sp->slots, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (sp->lock == -1) {
		buf_printf(why, "open slots/lock: %s", strerror(errno));
		return false;
	}
	if (flock(sp->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	*busy = errno == EWOULDBLOCK;
	if (*busy)
		buf_puts(why, "the queue is in use by another process (slots/lock)");
	else
		buf_printf(why, "lock slots/lock: %s", strerror(errno));
	return false;
}

struct spool *
spool_open(const char *queue_directory, bool *busy, struct buf *why)
{
	struct spool *sp = MEM_NEW(struct spool);
	int top = open(queue_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*busy = false;
	sp->slots = sp->corrupt = sp->lock = -1;
	if (top == -1) {
		buf_printf(why, "open queue_directory %s: %s", queue_directory, strerror(errno));
		goto fail;
	}
	sp->slots = open_dir(top, "slots");
	sp->corrupt = open_dir(top, "corrupt");
	if (sp->slots == -1 || sp->corrupt == -1) {
		buf_printf(why, "open %s/%s: %s", queue_directory,
		    sp->slots == -1 ? "slots" : "corrupt", strerror(errno));
		goto fail;
	}
	if (!take_lock(sp, busy, why))
		goto fail;
	/* The directories may have been made just now. */
	if (fsync(top) == -1) {
		buf_printf(why, "sync queue_directory %s: %s", queue_directory, strerror(errno));
		goto fail;
	}
	close(top);
	return sp;
fail:
	if (top != -1)
		close(top);
	spool_close(&sp);
	return NULL;
}

void
spool_close(struct spool **sp)
{
	if (!*sp)
		return;
	io_close(&(*sp)->slots);
	io_close(&(*sp)->corrupt);
	io_close(&(*sp)->lock);
	free(*sp);
	*sp = NULL;
}

/* A name of digits only, as a number below MAX. */
static bool
name_number(const char *name, uint64_t max, uint64_t *number)
{
	return str_to_u64(str_c(name), max, number);
}

static DIR *
read_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (!dir && fd != -1)
		close(fd);
	return dir;
}

static bool
each_in_dir(struct spool *sp, const char *name, void (*each)(uint32_t, void *), void *arg)
{
	DIR *dir = read_dir(sp->slots, name);
	struct dirent *entry;
	uint64_t number;

	if (!dir)
		return false;
	while ((errno = 0, entry = readdir(dir)))
		if (name_number(entry->d_name, SPOOL_SLOTS_MAX - 1, &number))
			each((uint32_t)number, arg);
	int saved = errno;
	closedir(dir);
	errno = saved;
	return saved == 0;
}

bool
spool_each(struct spool *sp, void (*each)(uint32_t number, void *arg), void *arg, struct buf *why)
{
	DIR *dir = read_dir(sp->slots, ".");
	struct dirent *entry;
	uint64_t number;
	bool ok = dir != NULL;

	while (ok && (errno = 0, entry = readdir(dir)))
		if (name_number(entry->d_name, SPOOL_SLOTS_MAX / SPOOL_SLOTS_PER_DIR, &number))
			ok = each_in_dir(sp, entry->d_name, each, arg);
	if (!ok || errno != 0) {
		buf_printf(why, "read directory slots: %s", strerror(errno));
		ok = false;
	}
	if (dir)
		closedir(dir);
	return ok;
}

int
spool_slot_open(struct spool *sp, uint32_t number)
{
	char name[NAME_SIZE];

	slot_name(number, name);
	return openat(sp->slots, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

bool
spool_remove(struct spool *sp, uint32_t number)
{
	char name[NAME_SIZE];

	slot_name(number, name);
	return unlinkat(sp->slots, name, 0) == 0 || errno == ENOENT;
}

/* One file of SIZE zero bytes, not yet synced; its descriptor, or -1. */
static int
make_one(struct spool *sp, uint32_t number, const char *zeros, size_t size)
{
	char name[NAME_SIZE];
	int fd;

	slot_name(number, name);
	fd = openat(sp->slots, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd != -1 && io_write_all(fd, zeros, size) == -1) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* Syncs and closes all descriptors; false (errno of the first failure) when one of them failed. */
static bool
sync_all(int *fds, uint32_t n)
{
	int failure = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (fds[i] == -1)
			continue;
		if (failure == 0 && fsync(fds[i]) == -1)
			failure = errno;
		if (close(fds[i]) == -1 && failure == 0)
			failure = errno;
	}
	errno = failure;
	return failure == 0;
}

/* Makes the entries of NUMBER's directory durable, and its own in slots/. */
static bool
sync_dirs(struct spool *sp, uint32_t number)
{
	char name[NAME_SIZE];
	int fd;
	bool ok;

	slot_dir(number, name);
	fd = open_dir(sp->slots, name);
	if (fd == -1)
		return false;
	ok = fsync(fd) == 0 && fsync(sp->slots) == 0;
	close(fd);
	return ok;
}

/* The directories of COUNT slots from FIRST on. */
static bool
sync_dirs_of(struct spool *sp, uint32_t first, uint32_t count)
{
	bool ok = true;

	for (uint32_t n = first; ok && n < first + count; n++)
		if (n == first || n % SPOOL_SLOTS_PER_DIR == 0)
			ok = sync_dirs(sp, n);
	return ok;
}

bool
spool_make(struct spool *sp, uint32_t first, uint32_t count, size_t size, struct buf *why)
{
	char *zeros = mem_alloc(size);
	int *fds = mem_array(count, sizeof(*fds));
	uint32_t made = 0;
	/* The directories first: they must exist. Then all is written before the first sync waits. */
	bool ok = sync_dirs_of(sp, first, count);

	while (ok && made < count) {
		fds[made] = make_one(sp, first + made, zeros, size);
		ok = fds[made] != -1;
		/* A file that was there already is somebody's, and not to be removed. */
		if (ok || errno != EEXIST)
			made++;
	}
	int saved = errno;
	if (!sync_all(fds, made)) {
		saved = ok ? errno : saved;
		ok = false;
	}
	if (ok && !sync_dirs_of(sp, first, count)) {
		saved = errno;
		ok = false;
	}
	if (!ok) {
		buf_printf(why, "make queue slots: %s", strerror(saved));
		while (made > 0)
			spool_remove(sp, first + --made);
	}
	free(fds);
	free(zeros);
	errno = saved;
	return ok;
}

bool
spool_set_aside(struct spool *sp, uint32_t number, const char *id, struct buf *why)
{
	char from[NAME_SIZE], to[64];

	slot_name(number, from);
	if (id[0])
		snprintf(to, sizeof(to), "%s", id);
	else
		snprintf(to, sizeof(to), "slot-%u-%lld", number, (long long)time(NULL));
	if (renameat(sp->slots, from, sp->corrupt, to) == 0 && fsync(sp->corrupt) == 0)
		return true;
	buf_printf(why, "move slots/%s to corrupt/%s: %s", from, to, strerror(errno));
	return false;
}

bool
spool_sync(struct spool *sp)
{
	return syncfs(sp->slots) == 0;
}

bool
spool_free_space(struct spool *sp, uint64_t *bytes, uint64_t *inodes)
{
	struct statvfs fs;

	if (fstatvfs(sp->slots, &fs) == -1)
		return false;
	*bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	/* Some file systems make inodes as needed and count none. */
	*inodes = fs.f_files == 0 ? UINT64_MAX : fs.f_favail;
	return true;
}
