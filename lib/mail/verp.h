/*
 * verp - variable envelope return paths
 *
 * A message to many, from "list@example.org", goes to bob@example.com from "list+bob=example.com@example.org":
 * whom a bounce is about can be told from the address it comes to. The two characters between are the
 * delimiters.
 */
#ifndef POSTKEEP_MAIL_VERP_H
#define POSTKEEP_MAIL_VERP_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

#define VERP_ATTRIBUTE "verp" /* of a message in the queue: its delimiters */

/* Are these two characters that an address may have, both out of FILTER? An empty FILTER allows all such. */
bool verp_delimiters_ok(struct str delimiters, struct str filter);
/*
 * Appends SENDER made for RECIPIENT, all in external form. SENDER as it is when it has no domain, or would
 * become longer than MAX bytes.
 */
void verp_sender(
    struct str sender, struct str recipient, struct str delimiters, size_t max, struct buf *out);

#endif
