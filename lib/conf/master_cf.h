/*
 * master_cf - the services of master.cf
 *
 * Syntax is Postfix's: eight columns, continuation lines, "-" for the default, "-o name=value",
 * "-o { name = value }", "{ an argument with spaces }". The file is read whole; all problems are
 * gathered. What a service means is master's business; here is only the text, checked.
 */
#ifndef POSTKEEP_CONF_MASTER_CF_H
#define POSTKEEP_CONF_MASTER_CF_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/conf/conf.h"

enum master_type {
	MASTER_INET,
	MASTER_UNIX,
	MASTER_UNIX_DGRAM,
	MASTER_FIFO,
	MASTER_PASS,
};

/* The state of a yes/no column: as written. */
enum master_flag {
	MASTER_FLAG_DEFAULT, /* "-" */
	MASTER_FLAG_YES,
	MASTER_FLAG_NO,
};

struct master_entry {
	size_t line; /* where it begins in the file */
	char *name;  /* "smtp", "127.0.0.1:2525", "qmgr" */
	enum master_type type;
	enum master_flag private_service;
	enum master_flag unprivileged;
	enum master_flag chroot;
	int wakeup;          /* seconds, 0 = never */
	bool wakeup_if_used; /* "N?" */
	int maxproc;         /* 0 = no limit, -1 = default_process_limit */
	char *command;       /* program name, first word of the last column */
	char **args; /* the words behind it, without -o and what belongs to it; NULL at the end */
	size_t n_args;
	struct conf_override *overrides; /* from -o */
	size_t n_overrides;
};

struct master_cf {
	struct master_entry *entries;
	size_t count;
};

/*
 * Reads DIR/master.cf. Problems (unknown type, bad number, two services with the same name and type,
 * missing columns …) go to PROBLEMS, with file and line; a line in error is left out of the result.
 */
struct master_cf *master_cf_load(const char *dir, struct conf_problems *problems);
/* The same for TEXT; FILE is the name that problems are reported with, NULL for none. */
struct master_cf *master_cf_read(struct str text, const char *file, struct conf_problems *problems);
void master_cf_free(struct master_cf **m);

const char *master_type_name(enum master_type type);

#endif
