/*
 * postdrop_file - a message as a file of maildrop/, for pickup to find
 *
 * The file belongs to the caller and the group postdrop; its mode tells that it is complete. Nobody but
 * pickup can open the directory, so its readers are no strangers. See postdrop.h and lib/queue/drop.h.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/queue/drop.h"
#include "sendmail/postdrop.h"

#define DIRECTORY "maildrop"
#define NAME_TRIES 8

bool
drop_file_open(struct drop_file *f, struct verdict *v)
{
	f->fd = -1;
	drop_sum_init(&f->sum);
	for (int i = 0; f->fd < 0 && i < NAME_TRIES; i++) {
		uint64_t random;

		random_bytes(&random, sizeof(random));
		snprintf(f->name, sizeof(f->name), DIRECTORY "/%014" PRIx64 "%016" PRIx64,
		    (uint64_t)clock_wall_us(), random);
		f->fd = open(f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    DROP_MODE_WRITING);
		if (f->fd < 0 && errno != EEXIST)
			break;
	}
	if (f->fd >= 0)
		return true;
	verdict_set(v, EX_TEMPFAIL, "unable to create file %s: %s", f->name, strerror(errno));
	return false;
}

void
drop_file_discard(struct drop_file *f)
{
	if (f->fd < 0)
		return;
	if (unlink(f->name) < 0)
		log_warning("remove %s: %s", f->name, strerror(errno));
	io_close(&f->fd);
}

bool
drop_file_write(struct drop_file *f, struct str records, struct verdict *v)
{
	siphash_update(&f->sum, records.data, records.len);
	if (io_write_all(f->fd, records.data, records.len) == 0)
		return true;
	verdict_set(v, EX_TEMPFAIL, "write %s: %s", f->name, strerror(errno));
	return false;
}

/*
 * The directory entry as well. postdrop's group may write to the directory but not read it, so that it
 * may not open it for an fsync(): then the whole file system is synced.
 */
static int
sync_entry(int fd)
{
	if (io_sync_dir(DIRECTORY) == 0)
		return 0;
	return errno == EACCES ? syncfs(fd) : -1;
}

/* Behind all records. */
static bool
write_sum(struct drop_file *f, struct verdict *v)
{
	struct siphash sum = f->sum;
	struct buf record = {0};
	bool ok;

	drop_write_sum(&record, &sum);
	ok = drop_file_write(f, buf_view(&record), v);
	buf_free(&record);
	return ok;
}

bool
drop_file_commit(struct drop_file *f, bool with_sum, struct verdict *v)
{
	if (with_sum && !write_sum(f, v))
		return false;
	if (fchmod(f->fd, DROP_MODE_READY) == 0 && fsync(f->fd) == 0 && sync_entry(f->fd) == 0 &&
	    io_close(&f->fd) == 0) {
		verdict_set(v, EX_OK, "stored");
		return true;
	}
	verdict_set(v, EX_TEMPFAIL, "write %s: %s", f->name, strerror(errno));
	return false;
}
