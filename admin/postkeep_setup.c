/*
 * postkeep_setup - set-permissions: the users, the group, the spool and the set-group-id bit
 *
 * Makes what is missing and corrects what is wrong, says each thing it changed, and may be run again at
 * any time. Users are system accounts without a home and without a login.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/service/tree.h"

static bool
valid_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= 32 && name[0] != '-' &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
	    len;
}

static bool
run_for(const char *const *argv, const char *what, const char *name)
{
	int status = postkeep_run(argv);

	if (status == 0) {
		printf("made the %s %s\n", what, name);
		return true;
	}
	if (status == 127)
		postkeep_say(
		    "error: cannot run %s: make the %s \"%s\" yourself", argv[0], what, name);
	else
		postkeep_say("error: %s has failed (exit status %d): the %s \"%s\" is missing",
		    argv[0], status, what, name);
	return false;
}

static bool
make_group(const char *name)
{
	const char *const argv[] = {"groupadd", "--system", "--", name, NULL};

	if (!valid_name(name)) {
		postkeep_say("error: \"%s\" is no name for a group", name);
		return false;
	}
	return getgrnam(name) || run_for(argv, "group", name);
}

static bool
make_user(const char *name)
{
	/* A group of that name that is there already becomes its own. */
	bool group = getgrnam(name) != NULL;
	const char *const argv[] = {"useradd", "--system", group ? "--gid" : "--user-group",
	    group ? name : "--no-create-home", "--no-create-home", "--home-dir", "/nonexistent",
	    "--shell", "/usr/sbin/nologin", "--comment", "mail system", "--", name, NULL};

	if (!valid_name(name)) {
		postkeep_say("error: \"%s\" is no name for a user", name);
		return false;
	}
	if (getpwnam(name))
		return true;
	return run_for(argv, "user", name);
}

static void
print_change(const char *text)
{
	printf("%s\n", text);
}

int
postkeep_set_permissions(struct postkeep *p)
{
	struct conf_problems problems = {0};
	struct service_ids ids;
	bool ok = true;

	if (geteuid() == 0) {
		ok = make_group(conf_cstr(p->conf, P_setgid_group));
		ok = make_user(conf_cstr(p->conf, P_mail_owner)) && ok;
		ok = make_user(conf_cstr(p->conf, P_mail_work_user)) && ok;
		ok = make_user(conf_cstr(p->conf, P_mail_network_user)) && ok;
	}
	ok = ok && tree_users(p->conf, &ids, &problems) &&
	    tree_walk(p->conf, &ids, TREE_REPAIR, &problems, print_change);
	postkeep_print_problems(&problems, false);
	conf_problems_free(&problems);
	return ok ? 0 : 1;
}
