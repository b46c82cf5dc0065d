/*
 * collector - notes on the TLS of connections, on their way to tlsrpt
 *
 * Nobody waits for them: a note goes into a queue of bounded length, from which a fiber of its own sends it.
 * When tlsrpt is away or slow, notes are dropped and counted.
 */
#ifndef POSTKEEP_SMTP_CLIENT_COLLECTOR_H
#define POSTKEEP_SMTP_CLIENT_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipc/messages.h"

#define COLLECTOR_NOTES_MAX 500
#define COLLECTOR_BYTES_MAX ((size_t)1024 * 1024)

struct collector;

/* PATH: the socket, relative to the working directory. */
struct collector *collector_new(const char *path);
/*
 * Drops what is not sent yet. Sets *C to NULL; NULL is accepted. On a fiber when it was started. Waits for a
 * note that is on its way to fail.
 */
void collector_free(struct collector **c);
/* From now on notes are sent. On a fiber. Those of before are sent first. */
void collector_start(struct collector *c);
/* Copies NOTE, whose texts are cut to what a message holds. C may be NULL. Does not wait. */
void collector_note(struct collector *c, const struct msg_tlsrpt_note *note);
/* Waits until all is sent, at most MS. C may be NULL. */
void collector_drain(struct collector *c, int64_t ms);
/* Notes that were dropped so far. */
uint64_t collector_lost(const struct collector *c);

#endif
