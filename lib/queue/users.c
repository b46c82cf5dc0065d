/*
 * users - the lists of users in main.cf; see users.h
 *
 * Lists and the files they name are the administrator's and trusted. The name comes from the kernel's
 * uid by way of the user database.
 */
#include "lib/queue/users.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/conf/conf.h"

#define LIST_FILE_MAX (1 << 20)
#define SCRATCH_MAX 16384 /* for an entry of the user database */

void
users_name(uid_t uid, struct buf *out)
{
	char scratch[SCRATCH_MAX];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(uid, &pw, scratch, sizeof(scratch), &found) != 0)
		found = NULL;
	buf_puts(out, found ? found->pw_name : "unknown");
}

/* Is NAME in the file, one or more names a line, '#' begins a comment line? */
static enum users_answer
in_file(struct str path, struct str name, struct buf *why)
{
	struct buf text = {0};
	struct buf cpath = {0};
	enum users_answer answer = USERS_NO;
	struct str rest, line, item;

	buf_str(&cpath, path);
	if (io_read_file(buf_cstr(&cpath), LIST_FILE_MAX, &text) < 0) {
		buf_printf(why, "%.*s: %s", STR_ARG(path), strerror(errno));
		answer = USERS_ERROR;
	}
	rest = buf_view(&text);
	while (answer == USERS_NO && str_token(&rest, "\n", &line)) {
		if (line.data[0] == '#')
			continue;
		while (answer == USERS_NO && conf_list_next(&line, &item))
			if (str_eq(item, name))
				answer = USERS_YES;
	}
	buf_free(&text);
	buf_free(&cpath);
	return answer;
}

/* USERS_YES: the pattern fits. NAME is looked up when the first pattern asks for it. */
static enum users_answer
fits(struct str pattern, uid_t uid, struct buf *name, struct buf *why)
{
	if (str_starts(pattern, STR("static:")))
		return USERS_YES;
	if (!str_starts(pattern, STR("/")) && str_chr(pattern, ':') != STR_NPOS) {
		buf_printf(why, "a list of users cannot use the table %.*s", STR_ARG(pattern));
		return USERS_ERROR;
	}
	if (name->len == 0)
		users_name(uid, name);
	if (str_starts(pattern, STR("/")))
		return in_file(pattern, buf_view(name), why);
	return str_eq(pattern, buf_view(name)) ? USERS_YES : USERS_NO;
}

enum users_answer
users_allowed(struct str list, uid_t uid, struct buf *why)
{
	struct buf name = {0};
	struct str pattern;
	enum users_answer answer = USERS_NO;

	while (conf_list_next(&list, &pattern)) {
		bool negated = false;
		enum users_answer fit;

		while (pattern.len && pattern.data[0] == '!') {
			negated = !negated;
			pattern = str_from(pattern, 1);
		}
		fit = fits(pattern, uid, &name, why);
		if (fit == USERS_NO)
			continue;
		answer = fit == USERS_ERROR ? USERS_ERROR : negated ? USERS_NO : USERS_YES;
		break;
	}
	buf_free(&name);
	return answer;
}
