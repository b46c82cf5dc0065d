/*
 * content - a message's content on its way from the client to the sink
 *
 * Line ends checked and dots undone, header completed (lib/intake), limits kept. After the first
 * refusal it takes the rest and throws it away, so that the client hears why at the right place.
 */
#ifndef POSTKEEP_SMTPD_CONTENT_H
#define POSTKEEP_SMTPD_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/queue/submit.h"
#include "smtpd/session.h"

struct content;

/*
 * Gets a queue ID for S's transaction and hands over its envelope. CHUNKED: by BDAT. NULL: *NO says
 * why. Waits.
 */
struct content *content_begin(struct session *s, bool chunked, struct submit_refusal *no);
/* Gives up what was not committed. Sets *C to NULL; NULL is accepted. */
void content_free(struct content **c);

/* Takes bytes as they come from the client; returns how many belonged to the message. May wait. */
size_t content_data(struct content *c, struct str in);
/* DATA: its end was seen. */
bool content_ended(const struct content *c);
/* Refused so far? NULL, or the answer to be given at the end. */
const struct submit_refusal *content_refusal(const struct content *c);
/* Bytes taken from the wire. */
uint64_t content_size(const struct content *c);
/* So much has come after a refusal that the client is better hung up on. */
bool content_hopeless(const struct content *c);
struct str content_id(const struct content *c);

/*
 * The end: true when the message is on stable storage; ID gets the queue ID. Otherwise
 * content_refusal() has the answer. May wait.
 */
bool content_commit(struct content *c, struct buf *id);

#endif
