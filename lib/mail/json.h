/* json - text from outside in JSON (RFC 8259). */
#ifndef POSTKEEP_MAIL_JSON_H
#define POSTKEEP_MAIL_JSON_H

#include "lib/base/buf.h"
#include "lib/base/str.h"

/*
 * S as a string, with its quotes. What is not UTF-8 becomes U+FFFD, control characters (DEL included) are
 * escaped: whatever S is, the result is one string of I-JSON (RFC 7493) and harmless on a terminal.
 */
void json_string(struct buf *out, struct str s);

#endif
