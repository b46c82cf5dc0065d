/*
 * downgrade - 8-bit content for a server that takes 7-bit alone (RFC 6152 section 3, RFC 2045)
 *
 * A step between the walk over a message (mime_walk.h) and who takes its events: what goes out is the same
 * message, with every body in 7 bits and labelled so.
 *
 * Each leaf is looked at as far as DOWNGRADE_LOOK_AHEAD bytes before anything of it goes on. A leaf that
 * ends within that and has neither bytes above 127 nor NULs nor lines of more than 998 bytes stays as it
 * is, its label made "7bit" if it was 8bit or binary. One that has becomes
 *   base64             if it is neither text/… nor message/… and more than a sixth of what was looked at
 *                      would have to be escaped
 *   quoted-printable   else; and so does one that goes on beyond the look-ahead, whatever has been seen
 *                      of it, unless it is encoded already: nobody knows what is still to come.
 * Line ends of the original are line ends in quoted-printable, and CR LF in base64. A multipart/ or an
 * attached message that is labelled 8bit or binary is labelled 7bit. A text without a label of its type
 * gets one: utf-8 if it is that, as far as it was seen, else unknown-8bit (RFC 1428).
 *
 * In what is encoded already bytes above 127 are not legal: in quoted-printable they become "=XX", in
 * base64 they are left out, as every reader does; outside of all parts they become "?". Header fields stay
 * as they are, even with such bytes in them, as in Postfix: what to do about those is a matter of SMTPUTF8,
 * decided before a message is sent. Signatures over what is changed become invalid (multipart/signed must
 * be 7-bit in the first place, RFC 1847); who signs mail signs 7-bit content, or for servers that take
 * 8-bit. What cannot be converted is refused: message/partial and message/external-body (RFC 2046 section
 * 5.2), an encoding nobody knows, a multipart/ without a boundary or nested too deeply, each with bytes
 * above 127 in it.
 */
#ifndef POSTKEEP_MAIL_DOWNGRADE_H
#define POSTKEEP_MAIL_DOWNGRADE_H

#include "lib/base/buf.h"
#include "lib/mail/mime_walk.h"

#define DOWNGRADE_LOOK_AHEAD ((size_t)32 * 1024)

struct downgrade;
/*
 * What comes out goes to EVENTS of ARG. LOOK_AHEAD: DOWNGRADE_LOOK_AHEAD, or less for a test. !SURE: nobody
 * knows whether there is anything to do; a leaf that has no label, or 7bit, and that goes on beyond the
 * look-ahead without a byte above 127 then stays as it is, to its end.
 */
struct downgrade *downgrade_new(const struct mime_limits *limits, size_t look_ahead, bool sure,
    const struct mime_events *events, void *arg);
void downgrade_free(struct downgrade **d);
/* Content in wire form, in pieces of any size. False: an event said so, or downgrade_why() is not empty. */
bool downgrade_data(struct downgrade *d, struct str piece);
bool downgrade_end(struct downgrade *d);
/* "5.6.3 text" when the message cannot be converted; else empty. */
struct str downgrade_why(const struct downgrade *d);

#endif
