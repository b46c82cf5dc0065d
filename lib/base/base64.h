/* base64 - bytes as text: RFC 4648 section 4, with padding, without line ends. */
#ifndef POSTKEEP_BASE_BASE64_H
#define POSTKEEP_BASE_BASE64_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* Appends the text of BYTES to OUT. */
void base64_encode(struct str bytes, struct buf *out);
/*
 * Appends the bytes of TEXT to OUT. False, and OUT as it was, for anything but whole groups of four of the
 * alphabet with at most the padding that is needed at the end, and unused bits that are zero.
 */
bool base64_decode(struct str text, struct buf *out);

#endif
