/*
 * user - whose mailbox a destination means: see user.h
 *
 * Runs in a child of the parent that is still root, so that a slow or broken user database holds up
 * one delivery and not the others. Trusts the user database.
 */
#include "local/user.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/arena.h"
#include "lib/base/mem.h"
#include "lib/route/route.h"

#define RECORD_FIRST 1024
#define RECORD_MAX ((size_t)1024 * 1024) /* more than this is no user record */

static enum user_status
look_up(const char *name, struct local_user *user, struct buf *why)
{
	struct passwd record, *found = NULL;
	size_t size = RECORD_FIRST;
	char *space = mem_alloc(size);
	enum user_status status = USER_UNKNOWN;
	int error;

	while ((error = getpwnam_r(name, &record, space, size, &found)) == ERANGE &&
	    size < RECORD_MAX) {
		size *= 2;
		space = mem_resize(space, size);
	}
	/* Some name services say "not found" with an error, as getpwnam(3) warns. */
	if (error != 0 && error != ENOENT && error != ESRCH) {
		buf_printf(why, "cannot look up user \"%s\": %s", name, strerror(error));
		status = USER_TROUBLE;
	} else if (found) {
		user->name = mem_strdup(found->pw_name);
		user->home = mem_strdup(found->pw_dir);
		user->uid = found->pw_uid;
		user->gid = found->pw_gid;
		status = USER_FOUND;
	}
	free(space);
	return status;
}

/* The name becomes a file name: one that could be a path is not taken. */
static enum user_status
check_name(struct local_user *user, struct buf *why)
{
	const char *name = user->name;

	if (*name != '\0' && *name != '.' && !strchr(name, '/'))
		return USER_FOUND;
	buf_printf(why, "user name \"%s\" cannot be the name of a mailbox", name);
	user_free(user);
	return USER_TROUBLE;
}

enum user_status
user_find(const struct conf *conf, struct str local, struct local_user *user, struct buf *why)
{
	const struct mail_address address = {.local = local, .domain = STR_EMPTY};
	enum user_status status = USER_UNKNOWN;
	struct arena *arena = arena_new(0);
	struct route_local_keys keys;

	memset(user, 0, sizeof(*user));
	route_local_keys(conf, &address, arena, &keys);
	for (size_t i = 0; i < keys.n && status == USER_UNKNOWN; i++)
		if (memchr(keys.keys[i].data, '\0', keys.keys[i].len) == NULL)
			status = look_up(arena_cstr(arena, keys.keys[i]), user, why);
	arena_free(&arena);
	return status == USER_FOUND ? check_name(user, why) : status;
}

void
user_free(struct local_user *user)
{
	free(user->name);
	free(user->home);
	memset(user, 0, sizeof(*user));
}

bool
user_spool_group(const char *spool, const struct local_user *user, gid_t *group)
{
	struct stat st;

	if (stat(spool, &st) != 0 || !S_ISDIR(st.st_mode) || !(st.st_mode & S_IWGRP))
		return false;
	if ((st.st_mode & S_IWOTH) || st.st_uid == user->uid)
		return false;
	if (st.st_gid == 0 || st.st_gid == user->gid)
		return false;
	*group = st.st_gid;
	return true;
}
