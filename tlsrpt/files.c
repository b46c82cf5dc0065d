/*
 * files - see files.h
 */
#define _GNU_SOURCE
#include "tlsrpt/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/io.h"

#define DAY_S ((int64_t)24 * 60 * 60)
#define FILE_MAX ((size_t)64 * 1024 * 1024) /* many times what a tally has room for */
#define MODE_FILE 0600

char *
files_directory(const char *data_directory)
{
	struct buf path = {0};

	buf_printf(&path, "%s/tlsrpt", data_directory);
	return buf_take(&path);
}

int64_t
files_day(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY_S : -1;
}

void
files_name(int64_t day, char name[FILES_NAME_SIZE])
{
	time_t seconds = (time_t)(day * DAY_S);
	struct tm tm = {0};

	if (!gmtime_r(&seconds, &tm) || strftime(name, FILES_NAME_SIZE, "%Y-%m-%d", &tm) == 0)
		snprintf(name, FILES_NAME_SIZE, "1970-01-01");
}

bool
files_parse(struct str name, int64_t *day)
{
	struct str rest = name, part[3];
	uint64_t n[3];
	struct tm tm = {0};
	char back[FILES_NAME_SIZE];
	time_t seconds;

	for (int i = 0; i < 3; i++)
		if (!str_token(&rest, "-", &part[i]) || !str_to_u64(part[i], 9999, &n[i]))
			return false;
	tm.tm_year = (int)n[0] - 1900;
	tm.tm_mon = (int)n[1] - 1;
	tm.tm_mday = (int)n[2];
	seconds = timegm(&tm);
	if (seconds < 0)
		return false;
	*day = files_day(seconds);
	/* The 31st of April is none, and a date is written in one way. */
	files_name(*day, back);
	return str_eq(name, str_c(back));
}

static void
path_of(const char *directory, int64_t day, struct buf *path)
{
	char name[FILES_NAME_SIZE];

	files_name(day, name);
	buf_printf(path, "%s/%s", directory, name);
}

static int
read_file(const char *path, struct buf *text)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), error = 0;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = EINVAL;
	else if (st.st_size > (off_t)FILE_MAX)
		error = EFBIG;
	else if ((n = io_read_full(
		      fd, buf_reserve(text, (size_t)st.st_size + 1), (size_t)st.st_size)) < 0)
		error = errno;
	else
		text->len += (size_t)n;
	(void)io_close(&fd);
	errno = error;
	return error ? -1 : 0;
}

int
files_load(const char *directory, int64_t day, struct tally *t)
{
	struct buf path = {0}, text = {0};
	int result, error;

	path_of(directory, day, &path);
	result = read_file(buf_cstr(&path), &text);
	error = errno;
	if (result == 0)
		tally_read(t, buf_view(&text));
	buf_free(&path);
	buf_free(&text);
	errno = error;
	return result;
}

int
files_store(const char *directory, int64_t day, struct str text)
{
	struct buf path = {0};
	int result, error;

	path_of(directory, day, &path);
	result = io_replace_file(buf_cstr(&path), text.data, text.len, MODE_FILE);
	error = errno;
	buf_free(&path);
	errno = error;
	return result;
}

/* "2026-11-22", and "2026-11-22.tmp.1234", which a process has left that did not end well. */
static bool
is_old(const char *name, int64_t today)
{
	struct str s = str_c(name);
	size_t dot = str_chr(s, '.');
	int64_t day;

	if (dot != STR_NPOS && !str_starts(str_from(s, dot), STR(".tmp.")))
		return false;
	return files_parse(dot == STR_NPOS ? s : str_sub(s, 0, dot), &day) &&
	    day < today - FILES_DAYS;
}

void
files_clean(const char *directory, int64_t today)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (is_old(entry->d_name, today))
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)closedir(dir);
}
