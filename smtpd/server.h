/*
 * server - what all sessions of a process share
 *
 * Made once, before the first client; nothing in it changes afterwards but the caches behind the
 * opaque pointers. Sessions reach it through session.server, so that a test or a fuzzer can run a
 * session beside a server of its own making.
 */
#ifndef POSTKEEP_SMTPD_SERVER_H
#define POSTKEEP_SMTPD_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/smtp/dots.h"
#include "smtpd/sink.h"

struct access;
struct counts;
struct recipients;

/* smtpd_forbid_bare_newline */
enum newline_policy {
	NEWLINE_ALLOW,
	NEWLINE_NOTE, /* allowed, and logged */
	NEWLINE_NORMALIZE,
	NEWLINE_REJECT,
};

/* EHLO keywords, as bits: those of smtpd_discard_ehlo_keywords are not offered. */
enum ehlo_keyword {
	EHLO_PIPELINING = 1,
	EHLO_SIZE = 2,
	EHLO_VRFY = 4,
	EHLO_ETRN = 8,
	EHLO_ENHANCEDSTATUSCODES = 16,
	EHLO_8BITMIME = 32,
	EHLO_DSN = 64,
	EHLO_SMTPUTF8 = 128,
	EHLO_CHUNKING = 256,
	EHLO_XVERP = 512, /* to clients in smtpd_authorized_verp_clients */
};

/* main.cf, read once. */
struct settings {
	int64_t timeout_ms;         /* smtpd_timeout: one command, or one wait within content */
	int64_t session_timeout_ms; /* smtpd_session_timeout */
	int64_t begin_timeout_ms;   /* how long a client is kept waiting for a queue ID */
	int64_t error_sleep_ms;
	uint64_t
	    min_rate; /* smtpd_minimum_rate: bytes per second that extend the time allowed; 0 = none */
	uint64_t message_max; /* message_size_limit, 0 = none */
	size_t line_max;
	unsigned soft_errors, hard_errors, junk_max;
	unsigned rcpt_max, rcpt_overshoot, duplicates_max;
	unsigned connections_max, connection_rate, message_rate, recipient_rate; /* 0 = no limit */
	unsigned prefix4, prefix6; /* bits of an address that make one client */
	enum newline_policy newlines;
	int newline_code;
	unsigned offered;                     /* enum ehlo_keyword bits; see session_offered() */
	unsigned notify;                      /* trouble_wanted() */
	struct str verp_default, verp_filter; /* delimiters; views of the configuration */
	bool helo_required, strict_envelopes, disable_vrfy, soft_bounce, forbid_pipelining;
	bool smtputf8, strict_smtputf8, port_logging;
};

struct server {
	const struct conf *conf;
	struct settings settings; /* in force: one of the next two */
	struct settings calm,
	    stressed; /* what main.cf says with $stress empty, and with stress=yes */
	size_t sessions;
	int64_t told_since; /* trouble.c: milliseconds */
	unsigned told, told_left_out;
	size_t stress_at; /* so many sessions are stress; 0 = no number is */
	bool under_stress;
	bool stand_alone; /* sendmail -bs: the caller is the user, no policy applies */
	struct str myhostname;
	struct access *access;         /* who may do what */
	struct recipients *recipients; /* which users there are */
	struct counts *counts;         /* anvil; NULL when nothing is counted */
	const struct sink *sink;       /* where messages go */
	void *sink_context;
};

/* Reads the settings; the rest of *SERVER is the caller's to fill in. */
void server_init(struct server *server, const struct conf *conf);
/*
 * CONF is the same with stress=yes: its settings hold from four fifths of LIMIT sessions on, until no
 * more than three fifths are left.
 */
void server_init_stress(struct server *server, const struct conf *conf, size_t limit);

/* A session begins, ends. */
void server_enter(struct server *server);
void server_leave(struct server *server);

#endif
