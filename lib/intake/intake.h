/*
 * intake - from content as it arrives to content as it is queued
 *
 * Used by what receives mail (smtpd, pickup, bounce). Content comes in wire form (lines end in CRLF,
 * dots already undone) in pieces of any size and goes out the same way through a sink: the trace
 * header first, then the header completed and qualified, then the body byte for byte. Nothing but what
 * must be touched is touched; memory is bounded by header_size_limit; cost is linear.
 *
 * What is done to the header is what Postfix's cleanup does: message_drop_headers (Return-Path:,
 * Content-Length:, Bcc:) removed; a "From " line in front made X-Mailbox-Line:; missing From:, Date:, Message-Id:, and To: of undisclosed
 * recipients added; addresses qualified with myorigin and mydomain. Adding and qualifying apply to
 * local submission and to clients in local_header_rewrite_clients (always_add_missing_headers adds for
 * all; remote_header_rewrite_domain qualifies for strangers). A CR or LF that is not part of a CRLF
 * becomes a blank (cleanup_replace_stray_cr_lf). Of a header field longer than header_size_limit only
 * so much is kept, and the log tells. Where no empty line parts header and body one is put in.
 */
#ifndef POSTKEEP_INTAKE_INTAKE_H
#define POSTKEEP_INTAKE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/mail/address.h"

struct intake;

/* What a message's receiver knows of it. The views must live as long as the intake. */
struct intake_context {
	const struct conf *conf;
	struct str queue_id;
	bool local;      /* local origin: header rewriting and completion in full */
	bool remove_bcc; /* sendmail submission */
	bool internal;   /* the suite's own notices: no trace header unless trace is set */
	struct mail_address sender;
	struct str
	    full_name; /* of the local submitter, for a From: that is missing; may be empty */
	struct str
	    received; /* the whole trace header with its CRLFs ("Received: …"), built by the caller */
	int64_t arrival_us; /* wall time */
};

enum intake_status {
	INTAKE_OK,
	INTAKE_SINK_FAILED,   /* the sink said no; its caller knows why */
	INTAKE_TOO_MANY_HOPS, /* more Received: than hopcount_limit (554 5.4.0) */
	INTAKE_REFUSED, /* larger than message_size_limit (552 5.3.4): content as it came, not internal */
};

/* Takes LEN bytes; false stops everything (INTAKE_SINK_FAILED). May wait. */
typedef bool intake_sink(void *arg, struct str chunk);

struct intake *intake_new(const struct intake_context *context, intake_sink *sink, void *sink_arg);
void intake_free(struct intake **in);

/* More content. May wait in the sink. After anything but INTAKE_OK it must not be called again. */
enum intake_status intake_data(struct intake *in, struct str chunk);
/* The content is complete (a header without a body included; a missing last CRLF is added). */
enum intake_status intake_end(struct intake *in);

/* After the header went by: the Message-Id: as found or made, with its <>; may be empty. */
struct str intake_message_id(const struct intake *in);
/* For the log: what was refused and why; an SMTP reply "code dsn text". */
struct str intake_why(const struct intake *in);
/* Bytes of the content as it will be queued, so far (what waits for the next call of the sink too). */
uint64_t intake_size(const struct intake *in);

/*
 * Completes an envelope address as Postfix's rewriting does: user → user@myorigin
 * (append_at_myorigin), user@host → user@host.mydomain (append_dot_mydomain), user@ and user@. Only
 * for local origin and clients in local_header_rewrite_clients; NULL sender stays.
 */
void intake_qualify(const struct conf *conf, struct arena *a, struct mail_address *address);

#endif
