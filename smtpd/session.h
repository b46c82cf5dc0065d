/*
 * session - one client, from its greeting to its end
 *
 * Kept small: thousands of them wait at the same time.
 */
#ifndef POSTKEEP_SMTPD_SESSION_H
#define POSTKEEP_SMTPD_SESSION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/fiber/stream.h"
#include "lib/table/table.h"
#include "smtpd/server.h"

struct transaction;

/* Rows of the command table, and one for what is none of them. */
#define SESSION_COMMANDS 16

/* Who is there. */
struct session_peer {
	char *name;    /* "unknown", "localhost" */
	char *namaddr; /* "unknown[192.0.2.1]", for logs */
	char address[INET6_ADDRSTRLEN];
	in_port_t port; /* host byte order */
};

struct session {
	struct server *server;
	struct stream *client;
	struct session_peer peer;
	const char *protocol;            /* "SMTP", or "ESMTP" after EHLO */
	char *helo;                      /* as the client said it; NULL before it did */
	const char *where;               /* the last command, for logs */
	const char *reason;              /* what ended the session, if not QUIT */
	struct transaction *transaction; /* NULL between transactions */
	int64_t started;                 /* fiber_now() */
	enum table_status mynetworks; /* is the client in $mynetworks? TABLE_ERROR: nobody knows */
	bool rewrites;                /* in local_header_rewrite_clients */
	bool unlimited;               /* in smtpd_client_event_limit_exceptions */
	bool newlines_excepted;       /* in smtpd_forbid_bare_newline_exclusions */
	bool verp;                    /* in smtpd_authorized_verp_clients */
	bool ended;                   /* no further command is read */
	bool pipelining_said, newline_said; /* logged once */
	struct buf trouble;                 /* trouble.c: lines for the postmaster */
	unsigned trouble_classes, trouble_more;
	unsigned errors;
	unsigned junk;
	unsigned anvil_generation; /* of the channel that heard of this client; 0 = none did */
	struct {
		uint16_t total, good;
	} commands[SESSION_COMMANDS];
};

/*
 * Talks with CLIENT until one of the two has enough. Takes over what PEER points to; CLIENT stays the
 * caller's. Waits.
 */
void session_run(struct server *server, struct stream *client, const struct session_peer *peer);

/* Ends the session after this command; REASON, unless NULL, is logged ("lost connection", …). */
void session_end_for(struct session *s, const char *reason);
/* Ends it because the client's stream has this status. */
void session_lost(struct session *s, enum stream_status status);
/*
 * Input stands in the buffer where the client should wait for an answer (RFC 2920 section 3.1): logs
 * it. False: smtpd_forbid_unauth_pipelining ends the session; the reply has been given.
 */
bool session_pipelining(struct session *s);
/*
 * Until when may the client take, who has sent BYTES since STARTED? smtpd_timeout, and longer for
 * what comes at smtpd_minimum_rate or faster; never beyond the session's own end.
 */
fiber_deadline session_deadline(const struct session *s, int64_t started, uint64_t bytes);

/* What EHLO offers this client: enum ehlo_keyword bits. */
unsigned session_offered(const struct session *s);

/* names.c: fills PEER in from the socket's addresses, or for the user of a stand-alone session. */
void peer_from_socket(
    struct session_peer *peer, const struct sockaddr_storage *from, bool with_port);
void peer_local(struct session_peer *peer);
void peer_free(struct session_peer *peer);
/* The network that the client is one of, for counting: OUT as "192.0.2.1" or "2001:db8::/84". */
#define PEER_NETWORK_SIZE (INET6_ADDRSTRLEN + 4)
void peer_network(const struct session_peer *peer, unsigned prefix4, unsigned prefix6,
    char out[PEER_NETWORK_SIZE]);

#endif
