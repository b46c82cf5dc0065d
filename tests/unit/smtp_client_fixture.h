/*
 * smtp_client_fixture - whole sessions of the SMTP client in the process: the queue manager is a list of
 * deliveries, the servers are a script
 *
 * For the unit test and the fuzz target of smtp.
 */
#ifndef POSTKEEP_TESTS_SMTP_CLIENT_FIXTURE_H
#define POSTKEEP_TESTS_SMTP_CLIENT_FIXTURE_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/ipc/messages.h"
#include "smtp/client.h"

#define PLAY_DELIVERIES_MAX 4
#define PLAY_RESULTS_MAX 64

struct play_delivery {
	struct str nexthop;
	const char *const *rcpts; /* NULL at the end */
	struct str content;
	size_t cut; /* the channel ends when so much of the content is still missing */
	bool smtputf8, body_8bit, probe, tell_connected;
};

struct play {
	const char *main_cf;
	bool lmtp;
	struct play_delivery deliveries[PLAY_DELIVERIES_MAX];
	size_t n;
	/*
	 * What servers say, one packet a read; of one connection after the other. A packet "\f" ends a
	 * connection; "\v" refuses one; with "\a" there is no descriptor for it.
	 */
	const struct str *packets;
	size_t n_packets;

	/* What came of it. */
	struct buf wire; /* all that was said to servers; "\f" before each connection */
	size_t connections;
	struct msg_result results[PLAY_RESULTS_MAX];
	size_t n_results;
	size_t told_connected, asked_again;
	struct arena *arena; /* of the results */

	/* The fixture's own. */
	size_t next;
	struct buf channel_in, channel_out;
	size_t ends[PLAY_DELIVERIES_MAX + 1]; /* of each delivery's frames in CHANNEL_IN */
	size_t wanted[PLAY_DELIVERIES_MAX]; /* results there must be before the next one is sent */
	size_t at, parsed, stage;
};

/* Runs it; play_free() when done. */
void play(struct play *p);
void play_free(struct play *p);

#endif
