/*
 * dsn - enhanced status codes (RFC 3463) and the values of the DSN extension (RFC 3461)
 */
#ifndef POSTKEEP_MAIL_DSN_H
#define POSTKEEP_MAIL_DSN_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/ipc/messages.h"

/* class.subject.detail; class 0: there is none. */
struct dsn {
	unsigned char class;    /* 2, 4 or 5 */
	unsigned short subject; /* 0 to 999 */
	unsigned short detail;
};

#define DSN_TEXT_SIZE 12 /* "5.999.999" and a NUL */

/* A code at the start of S, followed by white space or the end. *REST (unless NULL): behind both. */
bool dsn_parse(struct str s, struct dsn *dsn, struct str *rest);
/* The whole of S is one. */
bool dsn_valid(struct str s);
void dsn_text(const struct dsn *dsn, char out[DSN_TEXT_SIZE]);

/*
 * An answer as tables and libraries write it: "554 5.7.1 text", "450 text", "5.1.1 text", "text".
 * Code 0 and class 0 stand for what is missing. Where the classes of the two disagree, the reply
 * code's is taken for the enhanced code, as a client would believe it.
 */
struct dsn_split {
	int code;
	struct dsn dsn;
	struct str text;
};
void dsn_split(struct str s, struct dsn_split *split);

/* xtext (RFC 3461 section 4). Decoding appends to OUT; false for what is not xtext. */
void dsn_xtext_encode(struct str s, struct buf *out);
bool dsn_xtext_decode(struct str s, struct buf *out);

/* enum dsn_notify and enum dsn_ret are the wire's: lib/ipc/messages.h. */

/* NOTIFY=: "NEVER" or a list of the others; *NOTIFY gets the bits. */
bool dsn_notify_parse(struct str s, unsigned *notify);
/* "SUCCESS,FAILURE": appends; nothing for 0. */
void dsn_notify_write(unsigned notify, struct buf *out);
/* RET=: FULL or HDRS. */
bool dsn_ret_parse(struct str s, enum dsn_ret *ret);

#define DSN_ENVID_MAX 100 /* RFC 3461 section 4.4, as xtext */
#define DSN_ORCPT_MAX 500 /* section 4.2, as xtext with its type */

/* ENVID=: at most DSN_ENVID_MAX bytes of xtext that decode to printable text, appended to OUT. */
bool dsn_envid_parse(struct str s, struct buf *out);
/*
 * ORCPT=: "rfc822;user+2Btag@example.org" or "utf-8;…" (RFC 6533 section 3: \x{…} or, with UTF8, UTF-8
 * as it is). Appends "type;address", decoded, to OUT. False when type or text is none.
 */
bool dsn_orcpt_parse(struct str s, bool utf8, struct buf *out);
/* "type;address", decoded, as the value of ORCPT=: the address as xtext. UTF8: may be sent as UTF-8. */
void dsn_orcpt_encode(struct str orcpt, bool utf8, struct buf *out);

#endif
