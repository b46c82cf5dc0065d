/*
 * io - file descriptors done right
 *
 * All of these go on after EINTR and short reads or writes. Results are 0 or a count, errors are
 * -1 with errno.
 */
#ifndef POSTKEEP_BASE_IO_H
#define POSTKEEP_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/base/buf.h"

/* All N bytes, or -1. */
int io_write_all(int fd, const void *data, size_t n);
int io_pwrite_all(int fd, const void *data, size_t n, off_t at);
/* Up to N bytes, fewer only at the end of the file. */
ssize_t io_read_full(int fd, void *data, size_t n);
ssize_t io_pread_full(int fd, void *data, size_t n, off_t at);

/* The whole file appended to B; EFBIG when it is longer than MAX. */
int io_read_file(const char *path, size_t max, struct buf *b);
/* The same of what FD has open, from where it stands. */
int io_read_rest(int fd, size_t max, struct buf *b);

/* Closes *FD if it is not -1 and sets it to -1. Returns close()'s result. */
int io_close(int *fd);
int io_set_nonblocking(int fd, bool on);
int io_set_cloexec(int fd, bool on);
/*
 * For a program that strangers start: the standard descriptors are open afterwards, and nothing else is.
 * False when that cannot be had.
 */
bool io_tidy_descriptors(void);

/*
 * Replaces PATH by DATA so that after a crash either the old or the new file stands there whole:
 * writes PATH.tmp.<pid>, syncs it, renames it, syncs the directory. MODE as for open().
 */
int io_replace_file(const char *path, const void *data, size_t n, mode_t mode);
/* The same; owner, group and mode are those of LIKE, from the moment the name stands for the new file. */
int io_replace_file_like(const char *path, const void *data, size_t n, const struct stat *like);
/* Makes the changes of entries in the directory PATH durable. */
int io_sync_dir(const char *path);

#endif
