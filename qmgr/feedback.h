/*
 * feedback - how many deliveries at once a destination bears
 *
 * Pure: numbers and a clock that is given. The rules are those that Postfix documents: a delivery that
 * reached the destination raises the number by so much, one that did not lowers it by so much, and after
 * a whole group ("cohort") of failures without a success in between the destination is dead. From then on
 * one try at a time, a probe, finds out whether it lives, after pauses that grow.
 */
#ifndef POSTKEEP_QMGR_FEEDBACK_H
#define POSTKEEP_QMGR_FEEDBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf/feedback_step.h"

struct feedback_rules {
	size_t limit;   /* at most that many at once; 0 = no limit of its own */
	size_t initial; /* so many when nothing is known yet; from 1 on */
	struct feedback_step up, down;
	unsigned cohorts;             /* failed groups after which it is dead; 0 = never */
	int64_t pause_min, pause_max; /* seconds between probes */
};

struct feedback {
	size_t window; /* deliveries at once; 0 = dead */
	double gained, lost;
	double failed_cohorts;
	bool proven;      /* something has reached it since it was last unknown or dead */
	int64_t probe_at; /* dead: wall seconds of the next probe */
	int64_t pause;    /* dead: seconds from the last probe to the next one, before jitter */
};

void feedback_init(struct feedback *f, const struct feedback_rules *rules);
/* A delivery has reached it; BUSY: so many were under way, that one included. Revives a dead one. */
void feedback_good(struct feedback *f, const struct feedback_rules *rules, size_t busy);
/*
 * It could not be reached. True when this made it dead, or was another failed probe. NOW: wall seconds;
 * RANDOM: any number, for the jitter of a tenth more or less.
 */
bool feedback_bad(
    struct feedback *f, const struct feedback_rules *rules, int64_t now, uint64_t random);
bool feedback_dead(const struct feedback *f);

#endif
