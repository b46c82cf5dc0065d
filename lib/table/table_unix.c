/*
 * table_unix - unix:passwd.byname and unix:group.byname: the system's user database
 *
 * The C library may ask files, NIS, LDAP or systemd, and may block. Only its clear "there is none" is
 * a "no"; every other failure is an error. The value is the entry as a line of its file.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/table/table_private.h"

#define NAME_MAX_BYTES 255       /* no system has longer user names */
#define BUFFER_START 1024        /* for one entry; doubled as the C library asks for more */
#define BUFFER_MAX (1024 * 1024) /* a group with very many members */

enum unix_map { UNIX_PASSWD, UNIX_GROUP };

struct unix_table {
	enum unix_map map;
};

static void *
unix_open(struct str spec, struct str name, const char *param, struct buf *why)
{
	struct unix_table t, *kept;

	(void)param;
	if (str_eq(name, STR("passwd.byname"))) {
		t.map = UNIX_PASSWD;
	} else if (str_eq(name, STR("group.byname"))) {
		t.map = UNIX_GROUP;
	} else {
		buf_printf(why, "%.*s: there are passwd.byname and group.byname", STR_ARG(spec));
		return NULL;
	}
	kept = MEM_NEW(struct unix_table);
	*kept = t;
	return kept;
}

static void
write_passwd(const struct passwd *pw, struct buf *value)
{
	buf_printf(value, "%s:%s:%lu:%lu:%s:%s:%s", pw->pw_name, pw->pw_passwd ? pw->pw_passwd : "",
	    (unsigned long)pw->pw_uid, (unsigned long)pw->pw_gid, pw->pw_gecos ? pw->pw_gecos : "",
	    pw->pw_dir ? pw->pw_dir : "", pw->pw_shell ? pw->pw_shell : "");
}

static void
write_group(const struct group *gr, struct buf *value)
{
	buf_printf(value, "%s:%s:%lu:", gr->gr_name, gr->gr_passwd ? gr->gr_passwd : "",
	    (unsigned long)gr->gr_gid);
	for (char **member = gr->gr_mem; *member; member++)
		buf_printf(value, "%s%s", member == gr->gr_mem ? "" : ",", *member);
}

/* One try with a buffer of SIZE bytes: 0 or an error number; *FOUND says whether there is one. */
static int
ask(enum unix_map map, const char *name, char *buffer, size_t size, bool *found, struct buf *value)
{
	struct passwd pw, *pw_found = NULL;
	struct group gr, *gr_found = NULL;
	int error;

	if (map == UNIX_PASSWD) {
		error = getpwnam_r(name, &pw, buffer, size, &pw_found);
		if (error == 0 && pw_found)
			write_passwd(pw_found, value);
	} else {
		error = getgrnam_r(name, &gr, buffer, size, &gr_found);
		if (error == 0 && gr_found)
			write_group(gr_found, value);
	}
	*found = error == 0 && (pw_found || gr_found);
	return error;
}

static enum table_status
unix_lookup(void *state, struct str key, struct buf *value, struct buf *why)
{
	const struct unix_table *t = state;
	char name[NAME_MAX_BYTES + 1];
	int error = ERANGE;
	bool found = false;

	if (key.len == 0 || key.len > NAME_MAX_BYTES || memchr(key.data, '\0', key.len) ||
	    memchr(key.data, ':', key.len))
		return TABLE_NOT_FOUND;
	memcpy(name, key.data, key.len);
	name[key.len] = '\0';
	for (size_t size = BUFFER_START; error == ERANGE && size <= BUFFER_MAX; size *= 2) {
		char *buffer = mem_alloc(size);

		error = ask(t->map, name, buffer, size, &found, value);
		free(buffer);
	}
	/* Some libraries say "no such entry" this way. */
	if (error == ENOENT || error == ESRCH)
		error = 0;
	if (error != 0) {
		buf_printf(why, "table unix:%s: look-up of \"%s\": %s",
		    t->map == UNIX_PASSWD ? "passwd.byname" : "group.byname", name,
		    strerror(error));
		return TABLE_ERROR;
	}
	return found ? TABLE_FOUND : TABLE_NOT_FOUND;
}

const struct table_type table_type_unix = {
    .name = "unix", .open = unix_open, .lookup = unix_lookup, .close = free, .fold = true};
