/*
 * smtpd_fixture - a whole SMTP session in the process: the client is a script, messages stay in memory
 *
 * For the unit tests and the fuzz target of smtpd.
 */
#ifndef POSTKEEP_TESTS_SMTPD_FIXTURE_H
#define POSTKEEP_TESTS_SMTPD_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/conf/conf.h"
#include "smtpd/server.h"

/* Where messages go. What it does not like is set before the session; the rest is what it saw. */
struct memory_sink {
	size_t refuse_begin; /* so many begins are refused with 452 */
	size_t content_max;  /* content beyond so many bytes fails; 0 = no limit */
	bool refuse_commit;  /* with 451 */
	size_t begun, committed, canceled;
	struct buf envelopes; /* "sender>rcpt,rcpt\n" of each message committed */
	struct buf contents;  /* of each message committed, one behind the other */
};

/* The client's side: each packet arrives as one read; after the last the client hangs up. */
struct script {
	const struct str *packets; /* at most 8192 bytes each */
	size_t n;
	bool early;     /* the first has arrived before the greeting */
	size_t next;    /* packet that is read next */
	struct buf out; /* all that the server said */
	size_t writes;  /* in so many pieces */
	struct buf log; /* per read "<" and per write ">", in order */
};

/*
 * A server whose main.cf is a few fixed lines and MAIN_CF. mynetworks is 127.0.0.1; local users are
 * smith, jones and brown at example.com.
 */
struct fixture_server {
	struct conf *conf;
	struct server server;
	struct memory_sink sink;
};
void fixture_server_init(struct fixture_server *f, const char *main_cf);
void fixture_server_free(struct fixture_server *f);

/* One session with a client at ADDRESS; runs the loop until it has ended. */
void fixture_session(struct fixture_server *f, struct script *script, const char *address);
void script_free(struct script *script);

#endif
