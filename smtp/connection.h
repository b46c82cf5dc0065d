/*
 * connection - a conversation with one server: commands out, replies in
 *
 * What a server sends is bounded in length, lines and time. After the first thing that goes wrong nothing
 * more is read or written; `broken` says what it was.
 */
#ifndef POSTKEEP_SMTP_CLIENT_CONNECTION_H
#define POSTKEEP_SMTP_CLIENT_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "lib/fiber/stream.h"
#include "lib/smtp/reply.h"
#include "smtp/features.h"
#include "smtp/settings.h"

struct server;

struct connection {
	struct list_link link; /* in the cache */
	const struct settings *st;
	struct stream *stream;
	struct arena *names;    /* of what follows, up to may_loop: see connection_lead_to() */
	struct str host;        /* "mx.example.org" */
	struct str peer;        /* "mx.example.org[192.0.2.1]" */
	struct str relay;       /* "mx.example.org[192.0.2.1]:25" */
	struct str nexthop;     /* that it is used for */
	struct str destination; /* for the cache: that next hop, and whose login; see endpoint.h */
	bool best_mx;           /* among the most preferred MX hosts */
	bool may_loop;          /* port 25: a server with my name there is this machine */
	struct arena *arena;    /* of what follows; lives as long as the connection */
	struct str endpoint;    /* for the cache: the server, and what was demanded of it */

	struct features features;
	bool esmtp;           /* EHLO is worth a try */
	bool pix;             /* the greeting is that of a firewall with faults */
	bool pix_delay;       /* the message has waited long enough for delay_dotcrlf */
	struct str pix_words; /* what is to be done about it */
	unsigned discard;     /* enum feature bits that are overlooked */
	bool tls;
	struct str tls_status; /* how TLS is used, for the log; may be empty */
	bool tls_verified;     /* the server has proved who it is */
	bool named;            /* by the administrator, as the way to go */
	bool login_missing;    /* a login was wanted, and none was made */
	bool logged_in;
	struct str no_login;     /* why not; also where it was not wanted, but is to be had */
	bool once;               /* for one message only */
	bool takes_chunks;       /* has answered BDAT as one who knows it */
	struct smtp_reply reply; /* the last one */
	struct buf filtered;     /* what smtp_reply_filter made of a line */
	struct buf long_line;    /* the first part of a line that is too long */
	enum stream_status broken;
	bool nonsense;    /* broken, and what came was no reply */
	unsigned strange; /* lines that were no reply, and were overlooked */
	bool
	    closing; /* the server has said 421, or its state is not known: not for another message */
	uint64_t uses; /* messages so far, the present one included */
	fiber_deadline reuse_until;
	fiber_deadline idle_until; /* in the cache */
};

/* Takes over STREAM, a connection to SERVER, which belongs to NEXTHOP. */
struct connection *connection_new(const struct settings *st, struct stream *stream,
    const struct server *server, struct str nexthop);
/*
 * It is used for NEXTHOP from now on, which knows the server at its other end as SERVER; DESTINATION is its
 * label in the cache.
 */
void connection_lead_to(
    struct connection *c, const struct server *server, struct str nexthop, struct str destination);
/* Says nothing; closes. NULL is accepted. */
void connection_free(struct connection **c);
/* QUIT, the reply waited for as smtp_skip_quit_response says; closes. Waits. */
void connection_quit(struct connection **c);

/* Buffers a command line (without CRLF). */
void connection_say(struct connection *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Buffers bytes. May wait, at most MS at a time. */
bool connection_write(struct connection *c, struct str data, int64_t ms);
/* Sends what is buffered; at most MS. */
bool connection_flush(struct connection *c, int64_t ms);
/* The next reply, in C->reply; at most MS (0: no limit). False: the connection is broken. Waits. */
bool connection_hear(struct connection *c, int64_t ms);
/* All three: a command and its reply. */
bool connection_ask(struct connection *c, int64_t ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The class of the last reply: 2, 3, 4 or 5. */
int connection_class(const struct connection *c);

/* Greeting and EHLO (HELO, LHLO). False: F says why. handshake.c. */
struct failure;
bool connection_greet(struct connection *c, struct arena *a, struct failure *f);
/* The second part alone, after TLS was started. */
bool connection_hello(struct connection *c, struct arena *a, struct failure *f);

#endif
