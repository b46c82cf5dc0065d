/*
 * mime - the little that transport needs to know of MIME (RFC 2045, RFC 6152)
 */
#ifndef POSTKEEP_MAIL_MIME_H
#define POSTKEEP_MAIL_MIME_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* "8bit" or "7bit": the value of Content-Transfer-Encoding for a part that holds such content. */
const char *mime_encoding(bool has_8bit);
/* A boundary no content can guess: "QUEUEID.<random>/host", at most 70 characters, appended to OUT. */
void mime_boundary(struct str queue_id, struct str host, struct buf *out);
/* Is VALUE (of Content-Type:) of the type TYPE, e.g. "multipart/report"? Parameters are ignored. */
bool mime_type_is(struct str value, struct str type);

#endif
