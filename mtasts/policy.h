/*
 * policy - what a domain says of the TLS of its servers (RFC 8461 section 3.2)
 */
#ifndef POSTKEEP_MTASTS_POLICY_H
#define POSTKEEP_MTASTS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/ipc/messages.h"

/* RFC 8461 section 3.2: about a year, in seconds. */
#define POLICY_AGE_MAX 31557600

struct policy {
	enum sts_mode mode;
	int64_t max_age; /* seconds */
	struct str mx;   /* patterns, separated by spaces, in lower case */
};

/* TEXT is a stranger's. The policy is in ARENA. False: WHY. */
bool policy_parse(struct str text, struct arena *arena, struct policy *p, struct buf *why);

#endif
