/*
 * qmgr_rig - qmgr's sessions, spool and agents in one process, for fuzz_qmgr
 *
 * The spool lies in a temporary directory, in memory where there is one. Callers are socket pairs with
 * qmgr's own sessions at the other end; delivery agents and bounce are listening sockets behind which
 * a script says what is answered. After each run the rig checks what must hold whatever was sent, and
 * empties the queue by qmgr's own means.
 */
#ifndef POSTKEEP_TESTS_QMGR_RIG_H
#define POSTKEEP_TESTS_QMGR_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/ipc/schema.h"

enum rig_caller {
	RIG_NETWORK,
	RIG_LOCAL,
	RIG_BOUNCE,
	RIG_REPORT,
	RIG_ADMIN,
	RIG_SHOWQ,
	RIG_SHOWQ_USER, /* an ordinary user */
	RIG_FLUSH,
	RIG_CALLERS,
};

/* Once, from LLVMFuzzerInitialize(): what libFuzzer writes goes where it was started. */
void rig_start(int *argc, char ***argv);

/*
 * FN(ARG) on a fiber, with an empty queue. Then all callers hang up, agents end, and what must hold is
 * checked.
 */
void rig_run(void (*fn)(void *arg), void *arg);

struct rig_client;
/* A new caller; NULL when there were many in this run. */
struct rig_client *rig_open(enum rig_caller who);
/* Bytes, a frame with any body, a message; all wait while qmgr reads. Nothing when C is NULL. */
void rig_send(struct rig_client *c, struct str bytes);
void rig_send_frame(struct rig_client *c, uint16_t type, struct str body);
void rig_send_message(struct rig_client *c, const struct ipc_schema *schema, const void *message);
/* Hangs up: after the last answer, or at once. */
void rig_close(struct rig_client *c, bool abruptly);

/* Until nothing goes on any more that does not wait for somebody; not for long. */
void rig_settle(void);

/* The ID of the Nth message of the queue; one of no message when there are fewer. Good until the next call. */
struct str rig_id(unsigned n);

/* From here on a message may end, for reasons that the rig does not follow. */
void rig_excuse(void);

/* What delivery agents, and bounce, answer: a byte or a few per event. At its end they hang up. */
void rig_agents_say(struct str script);
void rig_bounce_says(struct str script);

#endif
