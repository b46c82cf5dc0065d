/*
 * endpoint - the tables of programs and sockets, and who is let in
 *
 * This file is the suite's access matrix: what is not written here is not allowed.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "lib/service/endpoint.h"

#define PEER_ACCOUNTS (PEER_QUEUE | PEER_WORK | PEER_NETWORK)

/* The order of a program's rows is the order of its descriptors: see endpoint.h. */
const struct endpoint endpoint_table[] = {
    {"qmgr", "private/qmgr-net", PEER_NETWORK},
    {"qmgr", "private/qmgr-local", PEER_WORK},
    {"qmgr", "private/qmgr-bounce", PEER_WORK},
    {"qmgr", "private/qmgr-report", PEER_NETWORK | PEER_USERS},
    {"qmgr", "private/qmgr-admin", 0},
    {"qmgr", "public/showq", PEER_ANYONE},
    {"qmgr", "public/flush", PEER_ANYONE},
    {"proxymap", "private/proxymap-net", PEER_NETWORK},
    {"proxymap", "private/proxymap-smtp", PEER_NETWORK},
    {NULL},
};

static const char *const reaches_nothing[] = {NULL};
static const char *const smtpd_reaches[] = {
    "private/qmgr-net", "private/proxymap-net", "private/anvil", NULL};
static const char *const pickup_reaches[] = {"private/qmgr-local", "private/proxymap", NULL};
static const char *const qmgr_reaches[] = {
    "private/local", "private/bounce", "private/proxymap", NULL};
static const char *const bounce_reaches[] = {"private/qmgr-bounce", NULL};
static const char *const local_reaches[] = {"private/qmgr-report", NULL};
static const char *const smtp_reaches[] = {
    "private/proxymap-smtp", "private/mtasts", "private/tlsrpt", "private/qmgr-report", NULL};
static const char *const lmtp_reaches[] = {"private/proxymap-smtp", "private/qmgr-report", NULL};

const struct program program_table[] = {
    {
	.name = "smtpd",
	.user = SERVICE_USER_NETWORK,
	.jail = true,
	.event_driven = true,
	.reaches = smtpd_reaches,
    },
    {
	.name = "pickup",
	.user = SERVICE_USER_WORK,
	.single = true,
	.event_driven = true,
	.reaches = pickup_reaches,
	.peers = PEER_POSTDROP | PEER_WORK,
    },
    {
	.name = "qmgr",
	.user = SERVICE_USER_QUEUE,
	.single = true,
	.event_driven = true,
	.reaches = qmgr_reaches,
    },
    {
	.name = "bounce",
	.user = SERVICE_USER_WORK,
	.jail = true,
	.event_driven = true,
	.reaches = bounce_reaches,
	.peers = PEER_QUEUE,
    },
    {
	.name = "proxymap",
	.user = SERVICE_USER_WORK,
	.event_driven = true,
	.reaches = reaches_nothing,
	.peers = PEER_WORK | PEER_QUEUE,
    },
    {
	.name = "anvil",
	.user = SERVICE_USER_WORK,
	.jail = true,
	.single = true,
	.event_driven = true,
	.forgetful = true,
	.reaches = reaches_nothing,
	.peers = PEER_NETWORK,
    },
    {
	.name = "postlogd",
	.user = SERVICE_USER_WORK,
	.single = true,
	.event_driven = true,
	.reaches = reaches_nothing,
	.peers = PEER_ANYONE,
    },
    {
	.name = "local",
	.user = SERVICE_USER_ROOT,
	.event_driven = true,
	.reaches = local_reaches,
	.peers = PEER_QUEUE,
    },
    {
	.name = "smtp",
	.user = SERVICE_USER_NETWORK,
	.jail = true,
	.event_driven = true,
	.reaches = smtp_reaches,
	.peers = PEER_QUEUE,
    },
    {
	.name = "mtasts",
	.user = SERVICE_USER_NETWORK,
	.jail = true,
	.single = true,
	.event_driven = true,
	.forgetful = true,
	.reaches = reaches_nothing,
	.peers = PEER_NETWORK,
    },
    {
	.name = "tlsrpt",
	.user = SERVICE_USER_WORK,
	.single = true,
	.event_driven = true,
	.reaches = reaches_nothing,
	.peers = PEER_NETWORK,
    },
    {
	.name = "lmtp",
	.user = SERVICE_USER_NETWORK,
	.jail_if_asked = true,
	.event_driven = true,
	.reaches = lmtp_reaches,
	.peers = PEER_QUEUE,
    },
    {NULL},
};

const struct program *
program_find(const char *name)
{
	for (const struct program *p = program_table; p->name != NULL; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

const struct endpoint *
endpoint_of(const char *program, size_t index)
{
	size_t seen = 0;

	for (const struct endpoint *e = endpoint_table; e->program != NULL; e++)
		if (strcmp(e->program, program) == 0 && ++seen == index)
			return e;
	return NULL;
}

static bool
user_id(const struct conf *c, enum param param, const char *param_name, uid_t *uid, gid_t *gid,
    struct buf *why)
{
	const char *name = conf_cstr(c, param);
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL) {
		buf_printf(why,
		    "%s: there is no user \"%s\"%s%s; \"postkeep set-permissions\" makes it",
		    param_name, name, errno ? ": " : "", errno ? strerror(errno) : "");
		return false;
	}
	if (pw->pw_uid == 0) {
		buf_printf(
		    why, "%s: \"%s\" is root; an account of its own is needed", param_name, name);
		return false;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return true;
}

static bool
group_id(
    const struct conf *c, enum param param, const char *param_name, gid_t *gid, struct buf *why)
{
	const char *name = conf_cstr(c, param);
	struct group *gr;

	errno = 0;
	gr = getgrnam(name);
	if (gr == NULL) {
		buf_printf(why,
		    "%s: there is no group \"%s\"%s%s; \"postkeep set-permissions\" makes it",
		    param_name, name, errno ? ": " : "", errno ? strerror(errno) : "");
		return false;
	}
	*gid = gr->gr_gid;
	return true;
}

bool
service_ids_load(const struct conf *c, struct service_ids *ids, struct buf *why)
{
	memset(ids, 0, sizeof(*ids));
	ids->unprivileged = geteuid() != 0;
	if (ids->unprivileged) {
		for (size_t i = 0; i < SERVICE_USERS; i++) {
			ids->uid[i] = geteuid();
			ids->gid[i] = getegid();
		}
		ids->postdrop = getegid();
		return true;
	}
	return user_id(c, P_mail_owner, "mail_owner", &ids->uid[SERVICE_USER_QUEUE],
		   &ids->gid[SERVICE_USER_QUEUE], why) &&
	    user_id(c, P_mail_work_user, "mail_work_user", &ids->uid[SERVICE_USER_WORK],
		&ids->gid[SERVICE_USER_WORK], why) &&
	    user_id(c, P_mail_network_user, "mail_network_user", &ids->uid[SERVICE_USER_NETWORK],
		&ids->gid[SERVICE_USER_NETWORK], why) &&
	    group_id(c, P_setgid_group, "setgid_group", &ids->postdrop, why);
}

void
endpoint_mode(unsigned peers, const struct service_ids *ids, uid_t *uid, gid_t *gid, mode_t *mode)
{
	unsigned accounts = peers & PEER_ACCOUNTS;

	*uid = ids->uid[SERVICE_USER_ROOT];
	*gid = ids->gid[SERVICE_USER_ROOT];
	*mode = 0600;
	if (ids->unprivileged)
		return;
	if (accounts == PEER_QUEUE)
		*uid = ids->uid[SERVICE_USER_QUEUE];
	else if (accounts == PEER_WORK)
		*uid = ids->uid[SERVICE_USER_WORK];
	else if (accounts == PEER_NETWORK)
		*uid = ids->uid[SERVICE_USER_NETWORK];
	if (peers & PEER_POSTDROP) {
		*gid = ids->postdrop;
		*mode = 0660;
	}
	/* Several accounts have no group in common: the program's own check (SO_PEERCRED) decides. */
	if ((peers & PEER_ANYONE) || (accounts & (accounts - 1)) != 0)
		*mode = 0666;
}

bool
endpoint_admits(unsigned peers, const struct service_ids *ids, uid_t uid, gid_t gid)
{
	if (uid == 0)
		return true;
	if (ids->unprivileged)
		return uid == ids->uid[SERVICE_USER_ROOT];
	if (peers & PEER_ANYONE)
		return true;
	/* PEER_USERS: root connects for them, and was let in above. */
	return ((peers & PEER_QUEUE) && uid == ids->uid[SERVICE_USER_QUEUE]) ||
	    ((peers & PEER_WORK) && uid == ids->uid[SERVICE_USER_WORK]) ||
	    ((peers & PEER_NETWORK) && uid == ids->uid[SERVICE_USER_NETWORK]) ||
	    ((peers & PEER_POSTDROP) && gid == ids->postdrop);
}
