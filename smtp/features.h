/*
 * features - what a server says it can do, in its reply to EHLO or LHLO
 */
#ifndef POSTKEEP_SMTP_CLIENT_FEATURES_H
#define POSTKEEP_SMTP_CLIENT_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum feature {
	FEATURE_ESMTP = 1, /* EHLO was answered */
	FEATURE_PIPELINING = 2,
	FEATURE_SIZE = 4,
	FEATURE_8BITMIME = 8,
	FEATURE_SMTPUTF8 = 16,
	FEATURE_DSN = 32,
	FEATURE_CHUNKING = 64,
	FEATURE_XFORWARD = 128,
	FEATURE_STARTTLS = 256,
	FEATURE_AUTH = 512,
	FEATURE_ENHANCED = 1024,
};

/* Attributes of XFORWARD, in the order in which they are sent. */
enum xforward {
	XFORWARD_NAME,
	XFORWARD_ADDR,
	XFORWARD_PORT,
	XFORWARD_PROTO,
	XFORWARD_HELO,
	XFORWARD_IDENT,
	XFORWARD_SOURCE,
	XFORWARDS,
};
extern const char *const xforward_names[XFORWARDS];

#define FEATURES_AUTH_MAX 1000 /* bytes of mechanisms that are kept */

struct features {
	unsigned bits;                /* enum feature */
	uint64_t size;                /* the largest message; 0: no limit is known */
	unsigned xforward;            /* bits by enum xforward */
	char auth[FEATURES_AUTH_MAX]; /* mechanisms, separated by blanks; NUL-terminated */
};

/*
 * TEXT is a reply to EHLO without its codes, lines joined by LF; the first line is the greeting. Bits of
 * DISCARD are left out.
 */
void features_parse(struct str text, unsigned discard, struct features *f);
/* smtp_discard_ehlo_keywords: words as in a reply to EHLO. False with WHY: one is unknown. */
bool features_words(struct str list, unsigned *bits, struct buf *why);

#endif
