/*
 * policies - the policies that are known, with what is being fetched
 *
 * Bounded in number; the one that was not asked for longest goes first.
 */
#ifndef POSTKEEP_MTASTS_POLICIES_H
#define POSTKEEP_MTASTS_POLICIES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/ipc/messages.h"

struct policies;

/* One that was fetched, as it is written down. */
struct kept_policy {
	struct str domain, id, mx;
	enum sts_mode mode;
	int64_t end;     /* seconds since 1970 */
	int64_t max_age; /* seconds, as it was in the policy */
};
typedef void policies_keep(const struct kept_policy *policy);

/* Fetches: fetch_policy(), or what a test has in its place. */
typedef bool policies_fetch(
    struct str domain, struct buf *text, struct buf *why, const char **failure);

/* KEEP (or NULL) is called with each policy that was fetched. */
struct policies *policies_new(size_t max, policies_fetch *fetch, policies_keep *keep);
void policies_free(struct policies **c);
/*
 * How long policies_ask() waits at most for a fetch, from its beginning on, while a policy is known and
 * while there is none. Milliseconds; at first ten seconds and a minute.
 */
void policies_patience(struct policies *c, int64_t known_ms, int64_t unknown_ms);
/*
 * What is to be observed for DOMAIN. ID: of the TXT record; empty when there is none, or none that is
 * known: then only what was fetched earlier counts. The answer is in ARENA. Waits while it is
 * fetched, but not for long: then it goes on being fetched, and what is known until then is the answer.
 */
void policies_ask(struct policies *c, struct str domain, struct str id, struct arena *arena,
    struct msg_sts_answer *answer);
/* One of an earlier day; that it is over is seen. */
void policies_add(struct policies *c, const struct kept_policy *policy);
/* Walks those that hold: start with *CURSOR = 0. Views are good until the next call of another function. */
bool policies_next(const struct policies *c, size_t *cursor, struct kept_policy *policy);
size_t policies_count(const struct policies *c);

#endif
