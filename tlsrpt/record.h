/*
 * record - where a domain wants its reports (RFC 8460 section 3)
 */
#ifndef POSTKEEP_TLSRPT_RECORD_H
#define POSTKEEP_TLSRPT_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

#define RECORD_URIS_MAX 10 /* of one record; more are not looked at */

/*
 * TXT: one TXT record's text, a stranger's: "v=TLSRPTv1; rua=mailto:reports@example.org". URIS are views of
 * it: mailto: and https: ones that are written as URIs are, which leaves out blanks, quotes and control
 * characters. False: it is no record of TLSRPT, or names no such URI.
 */
bool record_parse(struct str txt, struct str uris[RECORD_URIS_MAX], size_t *n);
/* Does it begin like one? Of a domain's TXT records only those count. */
bool record_begins(struct str txt);

#endif
