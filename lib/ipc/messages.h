/*
 * messages - everything the programs of the suite say to each other
 *
 * Who may say what to whom follows from the socket (doc/architecture.md has the table):
 *
 *   private/qmgr-net     smtpd               submit_*, flush     parsed addresses and listed attributes; ETRN
 *   private/qmgr-local   pickup              submit_*            the same, and a local submitter's uid
 *   private/qmgr-bounce  bounce              submit_*            notices: null sender, reserved slots
 *   private/qmgr-report  local, smtp         report              results that outlived their channel
 *   private/qmgr-admin   root's tools        admin_*             hold, release, delete, requeue, show
 *   public/showq         everybody           showq_*             what is theirs to see
 *   public/flush         everybody           flush               a flush, as authorized_flush_users says
 *   private/<agent>      qmgr                deliver, content    answered by result per recipient
 *   private/bounce       qmgr                notice, content     answered by notice_done
 *   private/proxymap     pickup, qmgr        lookup              answered by lookup_answer
 *   private/proxymap-net smtpd               lookup              the same: is it there? (no values)
 *   private/proxymap-smtp smtp               lookup              the same, for the client's parameters
 *   private/anvil        smtpd               anvil_*             counts
 *   private/mtasts       smtp                sts_ask             answered by sts_answer
 *   private/tlsrpt       smtp                tlsrpt_note         answered by tlsrpt_noted
 *   public/pickup        postdrop            drop_*              a local submission while the suite is up
 */
#ifndef POSTKEEP_IPC_MESSAGES_H
#define POSTKEEP_IPC_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/ipc/schema.h"

/* Limits of fields, for all programs. */
#define MSG_ADDRESS_MAX 1100 /* an address in its external form, quoting included */
#define MSG_TEXT_MAX 2000    /* reasons, replies */
#define MSG_ATTR_MAX 1100    /* attribute values */
#define MSG_RCPT_PER_FRAME 100
#define MSG_ID_MAX 32
#define MSG_TICKET_SIZE 16
#define MSG_NOTICE_SIZE_MAX                                                                        \
	(1 << 20) /* of the original in a notice, whatever bounce_size_limit says */

/* NOTIFY of RFC 3461 section 4.1, as bits; 0 = not given. */
enum dsn_notify {
	DSN_NOTIFY_NEVER = 1,
	DSN_NOTIFY_SUCCESS = 2,
	DSN_NOTIFY_FAILURE = 4,
	DSN_NOTIFY_DELAY = 8,
};
/* RET of RFC 3461 section 4.3. */
enum dsn_ret { DSN_RET_NONE = 0, DSN_RET_FULL = 1, DSN_RET_HDRS = 2 };

/* ---- Submission: receiver → qmgr -------------------------------------------------------------
 *
 *   → submit_begin                        ← submit_id, or submit_no
 *   → submit_envelope, submit_rcpts …, content …, submit_commit
 *                                         ← submit_ok, or submit_no
 *
 * One message at a time on a channel; the channel stays open for the next. A receiver that goes away
 * before submit_commit leaves nothing behind. submit_no may come at any time after submit_begin; qmgr
 * then reads and drops what is on its way up to and including submit_commit. submit_cancel takes the
 * place of submit_commit and is answered by submit_no.
 */
struct msg_submit_begin {
	uint64_t size; /* expected bytes of content, 0 = unknown: for queue_minfree */
};

struct msg_submit_id {
	struct str id;
};

/* A refusal: an SMTP code (451, 452, 552 …), an enhanced status code and a text for people. */
struct msg_submit_no {
	uint64_t code;
	struct str dsn;
	struct str text;
};

struct msg_attr {
	struct str name; /* one of the names in messages.c's list: client_name, client_address, … */
	struct str value;
};

struct msg_submit_envelope {
	struct str sender; /* external form (quoted where needed), "" for the null sender */
	uint64_t ret;      /* enum dsn_ret */
	struct str envid;  /* xtext-decoded ENVID, may be empty */
	bool smtputf8;
	bool body_8bit;   /* BODY=8BITMIME or BINARYMIME */
	bool verify_only; /* sendmail -bv: report where it would go, deliver nothing */
	bool verbose;     /* sendmail -v: mail a delivery report (trace) */
	bool hold;
	struct ipc_list attrs; /* struct msg_attr */
};

struct msg_rcpt {
	struct str address; /* external form */
	struct str orig;    /* as the sender gave it, for X-Original-To and orig_to= */
	struct str orcpt;   /* "rfc822;user@example.org", decoded; may be empty */
	uint64_t notify;    /* enum dsn_notify bits, 0 = default */
};

struct msg_submit_rcpts {
	struct ipc_list rcpts; /* struct msg_rcpt */
};

struct msg_submit_commit {
	uint64_t size; /* bytes of content sent: must agree */
};

struct msg_submit_cancel {
	uint64_t reserved;
};

struct msg_submit_ok {
	struct str id;
};

/* ---- Delivery: qmgr → agent --------------------------------------------------------------------
 *
 *   → deliver, content …                  ← agent_connected
 *   → content …                           ← agent_again
 *                                         ← result (one per recipient, any order)
 *   → agent_close
 *
 * Several deliveries may be on their way on one channel; ATTEMPT tells results apart. The agent counts
 * content bytes: exactly deliver.size of them follow, before the next deliver. agent_ready comes once
 * per channel, before the first result, and says how many deliveries it likes to have at once.
 *
 * A channel to `local` begins with agent_open, which names the user all deliveries are for; the
 * parent hands the descriptor to a worker that has become that user, and the worker answers
 * agent_ready, or the parent agent_no.
 *
 * agent_close ends a channel on which nothing is under way. One that ends without it was lost, and the
 * agent cannot know which of its last results have been heard.
 */
struct msg_agent_open {
	/*
	 * The destination's key, as lib/route makes it: the local part as it is meant, without quotes,
	 * and without its extension; in lower case. Any byte may stand in it.
	 */
	struct str recipient;
};

struct msg_agent_ready {
	uint64_t window; /* deliveries at once on this channel, 1 to 64 */
};

/* This channel will not do: every delivery for the destination gets this. */
struct msg_agent_no {
	struct str dsn; /* "4.…" defers, "5.…" bounces */
	struct str text;
	bool busy; /* too many workers: nothing wrong, try again when another channel is closed */
};

/*
 * Of a delivery that has tell_connected: the destination has let the agent in, results will follow. Not said
 * when the results come at once.
 */
struct msg_agent_connected {
	uint64_t attempt;
};

/*
 * Of the delivery that is under way on a channel with a window of one: its content is wanted once more, all of it. It
 * follows at once. Said when the content that came before has been read to its end.
 */
struct msg_agent_again {
	uint64_t attempt;
};

/* All results were heard and noted. */
struct msg_agent_close {
	uint64_t reserved;
};

struct msg_deliver_rcpt {
	uint64_t index; /* of the recipient in its message */
	struct str address;
	struct str orig;
	struct str orcpt;
	uint64_t notify;
	struct str
	    ticket; /* bytes that only qmgr can make: shows that the agent was given this recipient */
};

struct msg_deliver {
	struct str id;
	uint64_t attempt; /* unique on this qmgr's life */
	struct str nexthop;
	struct str sender;
	uint64_t size;      /* bytes of content that follow */
	int64_t arrival_us; /* wall time of acceptance */
	bool smtputf8;
	bool body_8bit;                      /* as its sender has declared it */
	bool header_has_8bit, body_has_8bit; /* as it is */
	bool probe;                          /* deliver nothing, say whether it would be taken */
	bool tell_connected;                 /* agent_connected is wanted */
	uint64_t ret;
	struct str envid;
	struct ipc_list attrs; /* struct msg_attr */
	struct ipc_list rcpts; /* struct msg_deliver_rcpt */
};

enum delivery_status {
	DELIVERY_SENT,     /* done; durable where it went */
	DELIVERY_DEFERRED, /* not now */
	DELIVERY_BOUNCED,  /* never */
	DELIVERY_STATUSES,
};

struct msg_result {
	struct str id;
	uint64_t attempt;
	uint64_t index;
	uint64_t status;       /* enum delivery_status */
	struct str dsn;        /* "2.0.0" */
	struct str text;       /* "delivered to maildir", "unknown user: \"x\"" … */
	struct str relay;      /* "local", "host[address]:port", "none" */
	struct str diagnostic; /* what a remote server said, "smtp; 550 …"; may be empty */
	struct str remote_mta; /* "dns; host", or empty; of one sent: it is relayed, not final */
	int64_t connect_us;    /* time taken to set up, and to transmit: for delays=a/b/c/d */
	int64_t transmit_us;
	/*
	 * The destination as a whole failed (no connection, greeting refused, lost before MAIL was answered,
	 * TLS or login failed); nothing was said of this message. With DELIVERY_DEFERRED only.
	 */
	bool unreachable;
	/* With DELIVERY_SENT: the next server has DSN and got this recipient's wishes; it will answer them. */
	bool dsn_passed;
	uint64_t
	    conn_use; /* how many messages the connection has carried, this one too; 0 = none */
	/*
	 * With DELIVERY_BOUNCED: the best MX host of the next hop is this machine. The queue manager may
	 * know another transport for such mail (best_mx_transport).
	 */
	bool own_mx;
	struct str tls; /* how TLS was used, for the log ("may", "!secure"); may be empty */
};

/*
 * A result that was DELIVERY_SENT and whose channel was lost, on private/qmgr-report; answered by report_ok,
 * whether it was of use or not. Without the ticket of just this recipient it counts for nothing.
 */
struct msg_report {
	struct str id;
	uint64_t index;
	struct str ticket;
	struct str dsn; /* these as in msg_result */
	struct str text;
	struct str relay;
	struct str remote_mta;
	bool dsn_passed;
};

struct msg_report_ok {
	uint64_t reserved;
};

/* ---- Notices: qmgr → bounce ----------------------------------------------------------------- */
enum notice_kind {
	NOTICE_FAILURE,
	NOTICE_DELAY,
	NOTICE_SUCCESS, /* requested by NOTIFY=SUCCESS, or relayed to a server without DSN */
	NOTICE_VERIFY,  /* sendmail -bv, -v */
	NOTICE_KINDS,
};

struct msg_notice_rcpt {
	struct str address; /* final recipient */
	struct str orig;
	struct str orcpt;
	uint64_t notify;
	uint64_t status; /* enum delivery_status */
	struct str
	    action; /* failed, delayed, delivered, relayed, expanded, deliverable, undeliverable */
	struct str dsn;
	struct str text;
	struct str diagnostic;
	struct str remote_mta;
};

struct msg_notice {
	uint64_t kind; /* enum notice_kind */
	struct str id;
	struct str
	    sender; /* of the failed message: where the notice goes; "" = to the postmaster */
	struct str class
	    ; /* a class of notify_classes: for error_notice_recipient alone; else empty */
	bool
	    double_bounce; /* the failed message was a notice itself: to 2bounce_notice_recipient */
	uint64_t ret;
	struct str envid;
	bool smtputf8;
	bool body_8bit;
	int64_t arrival_us;
	int64_t expire_at; /* wall seconds when the message will be given up: delay notices */
	/* Bytes of the original that follow as content: all, or its header, within bounce_size_limit. */
	uint64_t size;
	uint64_t full_size;
	struct ipc_list attrs; /* struct msg_attr of the original */
	struct ipc_list rcpts; /* struct msg_notice_rcpt */
};

struct msg_notice_done {
	bool accepted;  /* the notice is in the queue (or by rule none is sent) */
	struct str id;  /* its queue ID; empty when none was sent */
	struct str why; /* when not accepted */
};

/* ---- Administration --------------------------------------------------------------------------- */
enum admin_verb {
	ADMIN_HOLD,
	ADMIN_RELEASE,
	ADMIN_DELETE,
	ADMIN_REQUEUE, /* due now, and its lifetime begins anew */
	ADMIN_EXPIRE,  /* bounce at once */
	ADMIN_RETRY,   /* due now; its age stays */
	ADMIN_VERBS,
};

/* On one message, or on all (id "ALL") in one state ("" = any): answered by admin_done. */
struct msg_admin {
	uint64_t verb;
	struct str id;
	struct str state; /* "", "hold", "deferred", "active", "incoming" */
};

struct msg_admin_done {
	uint64_t count; /* messages it was done to; durable when this arrives */
	bool missing;   /* one was named, and there is none of that name that this can be done to */
	struct str why; /* empty, or what went wrong */
};

/* The whole slot as text and content, for postcat: answered by admin_slot and content frames. */
struct msg_admin_cat {
	struct str id;
};

struct msg_admin_slot {
	bool found;
	uint64_t size; /* bytes of envelope text that follow as content, then the message itself */
	uint64_t text_size;
	struct str why;
};

/*
 * Make due now: one message, or all that this says of: each field that is not empty must be true of it.
 * Answered by admin_done. A network receiver's word counts for the site only (ETRN).
 */
struct msg_flush {
	struct str id;        /* this message, whatever the others say */
	struct str site;      /* it has a recipient in this domain that waits */
	struct str sender;    /* this stands in its sender's address, in upper or lower case */
	struct str recipient; /* … in the address of a recipient that waits */
};

struct msg_showq_ask {
	struct str
	    id; /* empty = all; else that message only, with recipients that are done, and routes */
	bool routes; /* with routes in any case */
};

enum showq_fate { SHOWQ_WAITS, SHOWQ_SENT, SHOWQ_FAILED, SHOWQ_REMOVED, SHOWQ_FATES };

struct msg_showq_rcpt {
	struct str address;
	struct str reason; /* of the last attempt; may be empty */
	struct str dsn;    /* the same */
	uint64_t fate;     /* enum showq_fate */
	/* Where it goes next, when that was asked for, is known, and it waits; else empty. */
	struct str transport;
	struct str nexthop;
};

/* One message of the queue; recipients, in slices: MORE says another frame follows. */
struct msg_showq_entry {
	struct str id;
	struct str state; /* "incoming", "active", "deferred", "hold" */
	int64_t arrival;  /* wall seconds */
	uint64_t size;    /* of the content */
	struct str sender;
	int64_t next; /* wall seconds of the next attempt, 0 = now */
	bool forced_expire;
	int64_t expires;   /* wall seconds when it is given up, 0 = unknown */
	uint64_t tries;    /* rounds of attempts so far */
	struct str origin; /* who brought it, in words, when one message was asked for */
	bool more;
	struct ipc_list rcpts; /* struct msg_showq_rcpt */
};

struct msg_showq_end {
	uint64_t count; /* messages shown */
	uint64_t bytes;
	bool hidden; /* there is more, which is not for that user to see */
};

/* ---- proxymap ----------------------------------------------------------------------------------- */
struct msg_lookup {
	struct str
	    table; /* "unix:passwd.byname": must stand in proxy_read_maps or the parameter below */
	struct str param; /* the parameter it came from: "local_recipient_maps" */
	struct str key;
};

struct msg_lookup_answer {
	uint64_t status; /* 0 found, 1 not found, 2 error: enum table_status */
	struct str value;
	struct str why;
};

/* ---- anvil --------------------------------------------------------------------------------------- */
enum anvil_event { ANVIL_CONNECT, ANVIL_DISCONNECT, ANVIL_MAIL, ANVIL_RCPT, ANVIL_EVENTS };

/* Answered by anvil_count; ANVIL_DISCONNECT is not answered. */
struct msg_anvil {
	uint64_t event;
	struct str service; /* "smtp" */
	struct str client;  /* address, aggregated by the caller */
};

struct msg_anvil_count {
	uint64_t count; /* connections now (CONNECT), else 0 */
	uint64_t rate;  /* events of this kind in anvil_rate_time_unit, this one included */
};

/* ---- mtasts -------------------------------------------------------------------------------------- */
#define MSG_STS_MX_MAX 8192 /* patterns of one policy */

/* RFC 8461 section 5: what is done when a server does not pass. */
enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE, STS_MODES };
const char *sts_mode_name(enum sts_mode mode); /* "enforce" */

struct msg_sts_ask {
	struct str domain; /* where mail is for; ASCII, lower case */
	struct str id; /* of its TXT record; empty: there is none, or it could not be looked up */
};

struct msg_sts_answer {
	uint64_t mode;      /* enum sts_mode; STS_NONE as well when there is no policy */
	struct str mx;      /* patterns, separated by spaces */
	uint64_t max_age;   /* seconds, as the policy has it */
	struct str why;     /* why the last fetch failed; empty when it did not */
	struct str failure; /* the same in a word of RFC 8460 section 4.3 */
};

/* ---- tlsrpt -------------------------------------------------------------------------------------- */
#define MSG_TLSRPT_POLICY_MAX 8192 /* the lines of one policy */
#define MSG_TLSRPT_REASON_MAX 200

/* RFC 8460 section 4.4: which policy a connection was under. */
enum tlsrpt_policy { TLSRPT_NO_POLICY, TLSRPT_STS, TLSRPT_TLSA, TLSRPT_POLICIES };
const char *tlsrpt_policy_name(enum tlsrpt_policy policy); /* "no-policy-found" */
/* Is it one of the result types of section 4.3 ("certificate-expired")? */
bool tlsrpt_result_known(struct str result);

/* How the TLS of one connection to a server of DOMAIN went. */
struct msg_tlsrpt_note {
	struct str domain;  /* that mail is for; ASCII, lower case */
	uint64_t policy;    /* enum tlsrpt_policy */
	struct str strings; /* the policy itself (section 4.5): lines, with LF between them */
	struct str result;  /* section 4.3; empty: success */
	struct str reason;  /* in words; may be empty, like all that follows */
	struct str host;    /* the server */
	struct str address; /* its address */
	struct str from;    /* ours */
};

struct msg_tlsrpt_noted {
	bool counted; /* or there was no room for it */
};

/* ---- Local submission: postdrop → pickup -----------------------------------------------------------
 *
 *   → drop_begin                                                        ← submit_id, or drop_done
 *   → submit_rcpts …, content …, drop_commit                            ← drop_done
 *
 * submit_id says that pickup wants the message now; a drop_done with status 75 in its place, or none
 * within trigger_timeout, sends postdrop to maildrop/. drop_done may come early when it is a refusal.
 * Until drop_commit was sent nothing is submitted.
 * Content is what sendmail made of its input: CRLF line ends, nothing else changed. The submitter's uid
 * comes from the kernel (SO_PEERCRED), never from a message.
 */
struct msg_drop_begin {
	struct str sender;    /* external form; "" = the null sender */
	struct str full_name; /* for a missing From: */
	uint64_t ret;
	struct str envid;
	uint64_t notify; /* for all recipients */
	bool smtputf8;
	bool body_8bit;
	bool verify_only;
	bool verbose;
	bool remove_bcc; /* -t: Bcc: goes from the header */
	bool gateway;    /* -G: not of local origin, no rewriting */
	struct str verp; /* delimiters of variable return paths, or empty */
};

struct msg_drop_commit {
	uint64_t size;
};

struct msg_drop_done {
	bool accepted;
	struct str id;
	uint64_t exit_status; /* sysexits.h value when not accepted: 75 try again, 65 bad data … */
	struct str why;
};

extern const struct ipc_schema msg_submit_begin, msg_submit_id, msg_submit_no, msg_submit_envelope,
    msg_submit_rcpts, msg_submit_commit, msg_submit_cancel, msg_submit_ok, msg_agent_open,
    msg_agent_ready, msg_agent_no, msg_agent_connected, msg_agent_again, msg_agent_close,
    msg_deliver, msg_result, msg_report, msg_report_ok, msg_notice, msg_notice_done, msg_admin,
    msg_admin_done, msg_admin_cat, msg_admin_slot, msg_flush, msg_showq_ask, msg_showq_entry,
    msg_showq_end, msg_lookup, msg_lookup_answer, msg_anvil, msg_anvil_count, msg_sts_ask,
    msg_sts_answer, msg_tlsrpt_note, msg_tlsrpt_noted, msg_drop_begin, msg_drop_commit,
    msg_drop_done;

/* Every message, NULL at the end: for tests and fuzzing. */
extern const struct ipc_schema *const msg_all[];

/* Is NAME an attribute a network (local) receiver may set? Unknown ones refuse the submission. */
bool msg_attr_allowed(struct str name, bool local);

#endif
