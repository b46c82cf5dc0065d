/*
 * blocking - the same frames without fibers
 *
 * For programs that do one thing and end: postdrop, postqueue, postsuper, mailq. Links to libcore
 * alone. Every wait lasts at most the time-out given. What a peer does wrong is told by
 * ipc_blocking_why(), for the program to print.
 */
#ifndef POSTKEEP_IPC_BLOCKING_H
#define POSTKEEP_IPC_BLOCKING_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/ipc/frame.h"
#include "lib/ipc/schema.h"

struct ipc_blocking;

/*
 * Connects to the UNIX socket PATH; NULL with errno (ETIMEDOUT included). NAME is what we say in our
 * hello. TIMEOUT_MS bounds this and every later wait.
 */
struct ipc_blocking *ipc_blocking_connect(const char *path, const char *name, int timeout_ms);
/* The same over a connected socket, which is taken over (closed at the end) and made non-blocking. */
struct ipc_blocking *ipc_blocking_new(int fd, const char *name, int timeout_ms);
void ipc_blocking_free(struct ipc_blocking **b);
/* Another bound for the waits to come. */
void ipc_blocking_timeout(struct ipc_blocking *b, int timeout_ms);

/* Buffered until ipc_blocking_flush(), or 64 KiB. */
enum ipc_status ipc_blocking_send(
    struct ipc_blocking *b, const struct ipc_schema *schema, const void *message);
/* Any length: cut into frames. */
enum ipc_status ipc_blocking_content(struct ipc_blocking *b, struct str content);
/*
 * After a failure here the peer may have said why before it left: receiving is still possible. Has the
 * peer said something already? Does not wait; end of file counts.
 */
enum ipc_status ipc_blocking_flush(struct ipc_blocking *b);
bool ipc_blocking_readable(struct ipc_blocking *b);

/* As ipc_recv() of channel.h; content is shown in pieces as they come, good until the next receive. */
enum ipc_status ipc_blocking_recv(struct ipc_blocking *b, struct arena *a,
    const struct ipc_schema *const *accept, bool content, struct ipc_message *message);
/* For the one schema that may come; the struct is copied to *BODY, its text and lists live in A. */
enum ipc_status ipc_blocking_recv_one(
    struct ipc_blocking *b, struct arena *a, const struct ipc_schema *schema, void *body);
/* A request and its one answer. */
enum ipc_status ipc_blocking_call(struct ipc_blocking *b, struct arena *a,
    const struct ipc_schema *ask, const void *request, const struct ipc_schema *answer,
    void *reply);

/* What went wrong last, in words; "" when nothing did. */
const char *ipc_blocking_why(struct ipc_blocking *b);

#endif
