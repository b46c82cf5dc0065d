/*
 * postconf_edit - changing a configuration file so that it is whole at every moment
 *
 * The file is locked, read, and replaced by a new one under the same name, owner and mode; who reads it
 * meanwhile finds the old or the new one.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "admin/postconf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/conf/lines.h"

/* Opens and locks E's file. False: another process has replaced it meanwhile, so try again. */
static bool
lock_file(struct edit *e)
{
	struct stat named;

	e->fd = open(e->path, O_RDONLY | O_CLOEXEC);
	if (e->fd < 0)
		log_fatal("%s: %s", e->path, strerror(errno));
	if (flock(e->fd, LOCK_EX) != 0 || fstat(e->fd, &e->status) != 0)
		log_fatal("%s: cannot be locked: %s", e->path, strerror(errno));
	if (stat(e->path, &named) == 0 && named.st_ino == e->status.st_ino &&
	    named.st_dev == e->status.st_dev)
		return true;
	(void)io_close(&e->fd);
	return false;
}

void
edit_begin(struct edit *e, const char *dir, const char *name)
{
	struct buf path = {0};

	*e = (struct edit){.fd = -1};
	buf_printf(&path, "%s/%s", dir, name);
	e->path = realpath(buf_cstr(&path), NULL);
	if (!e->path)
		log_fatal("%s: %s", buf_cstr(&path), strerror(errno));
	while (!lock_file(e))
		continue;
	if (io_read_file(e->path, CONF_FILE_MAX, &e->text) != 0)
		log_fatal("%s: %s", e->path, strerror(errno));
	buf_free(&path);
}

void
edit_end(struct edit *e, const struct buf *text)
{
	if (!str_eq(buf_view(&e->text), buf_view(text)) &&
	    io_replace_file_like(e->path, text->data, text->len, &e->status) != 0)
		log_fatal(
		    "%s: cannot be replaced, nothing is changed: %s", e->path, strerror(errno));
	(void)io_close(&e->fd);
	buf_free(&e->text);
	free(e->path);
}

/* Takes a physical line off *REST, with its line end. */
static struct str
take_line(struct str *rest)
{
	size_t end = str_chr(*rest, '\n');
	struct str line = str_sub(*rest, 0, end == STR_NPOS ? STR_NPOS : end + 1);

	*rest = str_from(*rest, line.len);
	return line;
}

/* A physical line of what is removed or replaced: only comments in it stay. */
static void
copy_comment(struct str line, struct buf *out)
{
	struct str text = str_trim(line);

	if (text.len > 0 && text.data[0] == '#')
		buf_str(out, line);
}

/* Copies COUNT physical lines as ACTION says. */
static void
copy_lines(struct str *rest, size_t count, enum edit_action action, struct buf *out)
{
	while (count-- > 0) {
		struct str line = take_line(rest);

		if (action == EDIT_COMMENT) {
			struct str text = str_trim(line);

			if (text.len > 0 && text.data[0] != '#')
				buf_putc(out, '#');
			buf_str(out, line);
		} else if (action == EDIT_KEEP) {
			buf_str(out, line);
		} else {
			copy_comment(line, out);
		}
	}
}

void
edit_lines(struct str text, edit_decide *decide, void *context, struct buf *out)
{
	struct conf_lines lines = {.rest = text};
	struct buf line = {0}, replacement = {0};
	struct str rest = text;
	size_t copied = 0;

	while (conf_lines_next(&lines, &line)) {
		enum edit_action action;

		buf_reset(&replacement);
		action = decide(context, buf_view(&line), &replacement);
		copy_lines(&rest, lines.first - 1 - copied, EDIT_KEEP, out);
		if (action == EDIT_REPLACE) {
			buf_str(out, buf_view(&replacement));
			buf_putc(out, '\n');
		}
		copy_lines(&rest, lines.last - lines.first + 1, action, out);
		copied = lines.last;
	}
	buf_str(out, rest);
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		buf_putc(out, '\n');
	buf_free(&line);
	buf_free(&replacement);
}
