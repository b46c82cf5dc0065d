/*
 * outgoing - what is done to addresses, content and answers on the way out of this machine
 *
 * Used by the clients of SMTP and LMTP. The rules are read once, before the program is confined; a message
 * goes through a stream of its own, pushed in pieces of any size. What applies is, as in Postfix:
 *
 *   smtp_generic_maps            generic(5): addresses of the envelope, and in the first header
 *   smtp_header_checks, smtp_mime_header_checks, smtp_nested_header_checks, smtp_body_checks
 *                                header_checks(5), without the actions that change where a message goes
 *   downgrade                    to 7-bit content for a server without 8BITMIME (lib/mail/downgrade.h)
 *   smtp_reply_filter            one line of a server's reply
 *   smtp_delivery_status_filter  status and text of a result
 *
 * (lmtp_… for LMTP.) Memory is bounded by header_size_limit, mime_nesting_limit and a fixed look-ahead;
 * cost is linear. Look-ups in proxy: tables wait (fiber).
 */
#ifndef POSTKEEP_INTAKE_OUTGOING_H
#define POSTKEEP_INTAKE_OUTGOING_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/mail/address.h"
#include "lib/table/table.h"

enum outgoing_status {
	OUTGOING_OK,
	OUTGOING_SINK_FAILED, /* the sink said no; its caller knows why */
	OUTGOING_DEFER,       /* a table did not answer: WHY is "4.3.0 text" */
	OUTGOING_FAIL,        /* it can never go this way: WHY is "5.x.x text" */
};

/* --- Rules ---------------------------------------------------------------------------------- */

struct outgoing_rules;
/*
 * The rules of CONF for smtp_… or lmtp_… parameters. Called before confinement; files that were read are
 * added to PATHS (NULL: not wanted). Never NULL: WHY gets what is wrong with a table, if anything is, and
 * what needs that table is deferred. CONF must live as long.
 */
struct outgoing_rules *outgoing_rules_new(
    const struct conf *conf, bool lmtp, struct table_paths *paths, struct buf *why);
void outgoing_rules_free(struct outgoing_rules **rules);

/* Must content go through a stream even if it needs no conversion? */
bool outgoing_edits(const struct outgoing_rules *rules);
/* Is 8-bit content converted at all (disable_mime_output_conversion = no)? Else it goes as it is. */
bool outgoing_converts(const struct outgoing_rules *rules);

/*
 * generic(5) for an address of the envelope: *RESULT is what to say to the server, in A. The null sender
 * stays. An entry that is no address defers, so that a local address does not get out by a typing error.
 */
enum outgoing_status outgoing_address(const struct outgoing_rules *rules,
    const struct mail_address *address, struct arena *a, struct mail_address *result,
    struct buf *why);

/*
 * LINE is one line of a reply, without its line end. OUT gets what counts instead, cut at 2048 bytes and
 * at a line end, or LINE itself.
 */
enum outgoing_status outgoing_reply(
    const struct outgoing_rules *rules, struct str line, struct buf *out, struct buf *why);
/*
 * DSN ("5.1.1") and TEXT of a result, looked up as "5.1.1 text". What counts instead is appended to
 * NEW_DSN and NEW_TEXT; nothing is when the result stays as it is: no entry, a table that does not answer,
 * or an entry that would make a failure of a success or the other way round (the last two are logged).
 */
void outgoing_result(const struct outgoing_rules *rules, struct str dsn, struct str text,
    struct buf *new_dsn, struct buf *new_text);

/* --- Content -------------------------------------------------------------------------------- */

struct outgoing;
/* Takes a piece of content; false stops everything (OUTGOING_SINK_FAILED). May wait. */
typedef bool outgoing_sink(void *arg, struct str piece);

/*
 * A stream for one message in wire form (lines end in CRLF, no dots doubled), in and out. QUEUE_ID is for
 * the log and must live as long. CONVERT: the server takes 7-bit alone; SURE: and the content is known to
 * be 8-bit. When it was only said to be, long parts that are labelled 7bit are believed.
 */
struct outgoing *outgoing_new(const struct outgoing_rules *rules, struct str queue_id, bool convert,
    bool sure, outgoing_sink *sink, void *sink_arg);
void outgoing_free(struct outgoing **o);

/* More content. After anything but OUTGOING_OK it must not be called again: the server must not get an
 * end of data, so the connection is closed. */
enum outgoing_status outgoing_data(struct outgoing *o, struct str piece);
/* The content is complete. */
enum outgoing_status outgoing_end(struct outgoing *o);
/* After OUTGOING_DEFER or OUTGOING_FAIL: "4.3.0 text" or "5.6.3 text". */
struct str outgoing_why(const struct outgoing *o);

#endif
