/*
 * sasl - logging in at a server: the client's side of SASL (RFC 4422) as SMTP and LMTP carry it (RFC 4954)
 *
 * PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), DIGEST-MD5 (RFC 2831), SCRAM-SHA-1 (RFC 5802),
 * SCRAM-SHA-256 (RFC 7677), SCRAM-SHA-512, OAUTHBEARER (RFC 7628) and XOAUTH2; in the last two the
 * password is the token. No channel binding, so no -PLUS. For SCRAM name and password are prepared (SASLprep,
 * RFC 4013); other mechanisms get them as they are.
 *
 * The mechanisms are written out here on top of OpenSSL's digests. A client of Cyrus SASL looks up its
 * own host name in the DNS for every session, opens /dev/urandom in every exchange, and lets a server
 * choose how long it computes; none of that has a place in a confined program of many fibers. The tests
 * talk to the server side of Cyrus SASL.
 *
 * What a server sends is hostile: challenges are bounded, the work they ask for is bounded and done in a
 * worker thread, and a server that says 235 without having proved what its mechanism lets it prove is not
 * believed. Nothing here opens a file after sasl_prepare() and sasl_settings_new().
 */
#ifndef POSTKEEP_SASL_SASL_H
#define POSTKEEP_SASL_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/table/table.h"

/* What a challenge may be long, in base64: RFC 4954 section 4. */
#define SASL_LINE_MAX 12288

/*
 * Before confinement: has OpenSSL load what the mechanisms need. False with WHY when a digest is missing;
 * the mechanisms that need it are then not used.
 */
bool sasl_prepare(struct buf *why);

/* --- Settings of one program ----------------------------------------------------------------- */

struct sasl_settings;
/*
 * Reads PREFIX_sasl_auth_enable, …_mechanism_filter, …_security_options, …_tls_security_options,
 * …_tls_verified_security_options and send_cyrus_sasl_authzid; PREFIX is "smtp" or "lmtp". Before
 * confinement: files of the filter are read now and for good, and added to PATHS (NULL: not wanted).
 * Never NULL: what is wrong in the configuration becomes the reason of each login that fails.
 */
struct sasl_settings *sasl_settings_new(
    const struct conf *conf, const char *prefix, struct table_paths *paths);
void sasl_settings_free(struct sasl_settings **s);
bool sasl_settings_enabled(const struct sasl_settings *s);

/* How well the session is protected: decides which of the three parameters of options holds. */
enum sasl_channel {
	SASL_CHANNEL_CLEAR,
	SASL_CHANNEL_TLS,
	SASL_CHANNEL_VERIFIED, /* TLS, and the server's certificate is the expected one */
};

/* --- One login ------------------------------------------------------------------------------- */

/* Ready when zeroed. */
struct sasl_account {
	struct buf user;     /* "user" or "user@realm" */
	struct buf password; /* or token */
};
/* Wipes and frees. */
void sasl_account_clear(struct sasl_account *a);

struct sasl_login;
/*
 * OFFERED: the arguments of the server's AUTH keyword ("PLAIN LOGIN"), as it sent them. HOST is the
 * server's name without a port (DIGEST-MD5 and OAUTHBEARER send it back), PORT its number. ACCOUNT is copied.
 * Chooses the strongest mechanism that the server, the filter and the options for CHANNEL leave. NULL
 * with WHY (words that name the parameter in the way): none is left, or the settings are broken. That is
 * for now, not for ever: the message waits.
 */
struct sasl_login *sasl_login_new(const struct sasl_settings *s, enum sasl_channel channel,
    struct str offered, struct str host, unsigned port, const struct sasl_account *account,
    struct buf *why);
/* Wipes and frees. NULL is accepted. */
void sasl_login_free(struct sasl_login **l);

/* The mechanism in use: "SCRAM-SHA-256". For the log. */
struct str sasl_login_mechanism(const struct sasl_login *l);

/*
 * Appends the AUTH command to LINE, without CRLF. With an initial response where the mechanism has one and
 * the line stays within 512 bytes (RFC 4954 section 4; RFC 4616 and others), else without. Secret: the
 * caller wipes LINE (buf_wipe) and logs no more of it than the mechanism.
 */
void sasl_login_begin(struct sasl_login *l, struct buf *line);

enum sasl_step {
	SASL_STEP_ANSWER, /* LINE is to be sent; the login goes on */
	/*
	 * The server's words make no sense; LINE is "*". It is to be sent, the server's answer (501) read
	 * and left alone: the login has failed for the reason WHY, temporarily.
	 */
	SASL_STEP_CANCEL,
};
/*
 * After a reply 334. TEXT is what stands behind "334 " (of a reply of several lines, the last one's).
 * Appends what is to be sent to LINE, without CRLF; it may be empty. Secret, as above. On a fiber it may
 * wait for a worker thread (SCRAM); off a fiber it computes in place.
 */
enum sasl_step sasl_login_step(
    struct sasl_login *l, struct str text, struct buf *line, struct buf *why);

/*
 * After a reply 235. TEXT is what stands behind "235 ". False with WHY: the server has not proved that it
 * knows the password although the mechanism asks for that: it is not the one it claims to be, and nothing
 * is sent to it. Mechanisms without such a proof: true.
 */
bool sasl_login_done(struct sasl_login *l, struct str text, struct buf *why);

/*
 * After any other reply. Has it told more than its reply does (the error of OAUTHBEARER and XOAUTH2, which
 * comes in a challenge)? Then that, printable and bounded, is appended to WHY.
 */
void sasl_login_error(const struct sasl_login *l, struct buf *why);
/*
 * After a reply of CODE (504, 534, 538: this mechanism is not for this account or session): takes the next
 * mechanism that was left, and sasl_login_begin() may be called again. False for another code, and when
 * none is left. Wrong passwords are never tried a second time by another mechanism: accounts get locked.
 */
bool sasl_login_next(struct sasl_login *l, unsigned code);

#endif
