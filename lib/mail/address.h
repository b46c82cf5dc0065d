/*
 * address - envelope addresses (RFC 5321 section 4.1.2, RFC 6531 section 3.3)
 *
 * struct mail_address is made by address_parse_* alone: who holds one holds a checked address. It is
 * kept in its internal form: the local part unquoted, the domain as written (U-labels stay UTF-8).
 */
#ifndef POSTKEEP_MAIL_ADDRESS_H
#define POSTKEEP_MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

/* RFC 5321 section 4.5.3.1; the local part with its quotes. */
#define ADDRESS_LOCAL_MAX 64
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_PATH_MAX 1024 /* what a path may have in a command, source route included */

struct mail_address {
	struct str local;  /* unquoted; empty with an empty domain for the null sender <> */
	struct str domain; /* empty for an address without one; "[192.0.2.1]" for a literal */
	bool utf8;         /* has bytes above 127 */
};

enum address_flags {
	ADDRESS_NULL_OK = 1, /* <> (MAIL FROM) */
	ADDRESS_BARE_OK = 2, /* no domain: "postmaster", and local users where policy allows */
	ADDRESS_UTF8_OK = 4, /* SMTPUTF8 was asked for */
	ADDRESS_LOOSE = 8, /* missing <>, blanks around the path: unless strict_rfc821_envelopes */
	ADDRESS_LONG_LOCAL =
	    16, /* local parts up to the path limit (Postfix does not enforce 64) */
};

/*
 * Parses a path at the start of TEXT: "<user@example.org>", with quoted local part, source route
 * (recognised and dropped), address literal. *REST is what follows. The result lives in A. False: WHY
 * gets one line for people; nothing else is touched.
 */
bool address_parse_path(struct str text, unsigned flags, struct arena *a,
    struct mail_address *address, struct str *rest, struct buf *why);
/* The whole of TEXT is an address, without <>, as on a command line or in a file: user@domain, user. */
bool address_parse(struct str text, unsigned flags, struct arena *a, struct mail_address *address,
    struct buf *why);

bool address_is_null(const struct mail_address *address);
/* Local parts to the letter, domains without regard to case. */
bool address_eq(const struct mail_address *a, const struct mail_address *b);

/* "user@domain" with the local part quoted where it must be: for the wire, headers. "" for null. */
void address_write(const struct mail_address *address, struct buf *out);
struct str address_text(const struct mail_address *address, struct arena *a);
/* The same without quoting: key for tables, logs (Postfix's internal form). */
struct str address_internal(const struct mail_address *address, struct arena *a);

/* Is it an address literal, and which: "[192.0.2.1]", "[IPv6:2001:db8::1]"? Checked numerically. */
bool address_is_literal(struct str domain);
/* A host name or domain: labels, lengths, no underscore rule is applied; U-labels with UTF8. */
bool address_valid_domain(struct str domain, bool utf8);

/*
 * Splits "user+ext" at the first byte that stands in DELIMITERS (recipient_delimiter) and returns
 * "user"; LOCAL itself when there is none or it is the first byte. Never split, as in Postfix:
 * MAILER-DAEMON, postmaster, double-bounce and, when '-' is a delimiter, "owner-x" and "x-request".
 */
struct str address_without_extension(
    struct str local, struct str delimiters, struct str *extension);

#endif
