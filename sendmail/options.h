/* options - the command line of sendmail, mailq and newaliases */
#ifndef POSTKEEP_SENDMAIL_OPTIONS_H
#define POSTKEEP_SENDMAIL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/mail/dsn.h"

enum mode {
	MODE_ENQUEUE,    /* -bm: a message from standard input */
	MODE_NEWALIASES, /* -bi, -I */
	MODE_MAILQ,      /* -bp */
	MODE_DAEMON,     /* -bd, -bl */
	MODE_SMTP,       /* -bs */
	MODE_FLUSH,      /* -q */
	MODE_NOTHING,    /* -bh, -bH: there is no host status to show or purge */
};

struct options {
	enum mode mode;
	char *config_dir; /* -C; malloc'ed, NULL = not given */
	const char *sender;
	const char *full_name;
	const char *envid;
	const char *
	    verp; /* -XV: delimiters, "" for those of default_verp_delimiters; NULL = not asked for */
	/* -qR, -qI, -qS, and -qR with an @ in it: what is to be flushed */
	const char *flush_site, *flush_id, *flush_sender, *flush_recipient;
	unsigned notify; /* enum dsn_notify bits */
	enum dsn_ret ret;
	bool extract;     /* -t */
	bool ignore_dots; /* -i, -oi */
	bool gateway;
	bool body_8bit;
	bool smtputf8;
	bool verify;   /* -bv */
	bool interval; /* -q30m: a daemon's business */
	bool report;   /* -v once, in delivery mode: mail a report of the first attempt */
	int verbose;   /* what -v asks for beyond that */
	char **recipients;
	size_t n_recipients;
	struct buf warnings; /* lines for the user: values that are ignored */
};

/*
 * ARGV as main() got it; O->recipients are those of its elements that are no options (an array of its
 * own, freed by options_free). False: WHY says what is wrong; that is a usage error.
 */
bool options_parse(int argc, char **argv, struct options *o, struct buf *why);
void options_free(struct options *o);

#endif
