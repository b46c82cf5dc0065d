/*
 * table_file - files that are read whole and read again when they have changed
 *
 * The files are the administrator's; that they are damaged, gone or being written is expected.
 */
#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/table/table_private.h"

#define LOOK_INTERVAL 1000 /* milliseconds between two stat() of a file */

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
table_file_is(const struct table_file *f, const struct stat *st)
{
	return f->known && f->dev == st->st_dev && f->ino == st->st_ino && f->size == st->st_size &&
	    same_time(&f->mtime, &st->st_mtim) && same_time(&f->ctime, &st->st_ctim);
}

void
table_file_note(struct table_file *f, const struct stat *st)
{
	f->known = true;
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->size = st->st_size;
	f->mtime = st->st_mtim;
	f->ctime = st->st_ctim;
}

static enum table_file_status
failed(struct table_file *f, const char *what, struct buf *why)
{
	f->known = false;
	buf_printf(why, "%s: %s", f->path, what);
	return TABLE_FILE_ERROR;
}

enum table_file_status
table_file_look(struct table_file *f, struct buf *content, struct buf *why)
{
	int64_t now = clock_mono_ms();
	struct stat st;

	if (f->known && now < f->next_look)
		return TABLE_FILE_SAME;
	if (stat(f->path, &st) < 0)
		return failed(f, strerror(errno), why);
	f->next_look = now + LOOK_INTERVAL;
	if (table_file_is(f, &st))
		return TABLE_FILE_SAME;
	if (!S_ISREG(st.st_mode))
		return failed(f, "not a regular file", why);
	/* stat() first: a change while it is read is seen at the next look. */
	if (io_read_file(f->path, TABLE_FILE_MAX, content) < 0)
		return failed(f, strerror(errno), why);
	table_file_note(f, &st);
	return TABLE_FILE_NEW;
}

/* Takes one physical line off *REST, without its line end. */
static bool
take_line(struct str *rest, struct str *line)
{
	size_t lf = str_chr(*rest, '\n');

	if (rest->len == 0)
		return false;
	*line = str_sub(*rest, 0, lf);
	*rest = lf == STR_NPOS ? STR_EMPTY : str_from(*rest, lf + 1);
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool
table_text_line(struct str *rest, struct buf *line, size_t *number, size_t *first)
{
	struct str s, text, ahead;

	buf_reset(line);
	for (ahead = *rest; take_line(&ahead, &s); *rest = ahead) {
		text = str_trim(s);
		if (text.len > 0 && text.data[0] != '#') {
			if (line->len > 0 && !is_blank(s.data[0]))
				break;
			if (line->len == 0)
				*first = *number + 1;
			buf_str(line, line->len == 0 ? str_trim_end(text) : str_trim_end(s));
		}
		++*number;
	}
	return line->len > 0;
}
