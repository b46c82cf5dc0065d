/* feedback_step - the values of …_concurrency_positive_feedback and …_negative_feedback */
#ifndef POSTKEEP_CONF_FEEDBACK_STEP_H
#define POSTKEEP_CONF_FEEDBACK_STEP_H

#include <stdbool.h>

#include "lib/base/str.h"

/* "0.5", "1/concurrency", "1 / sqrt_concurrency": default_destination_concurrency_positive_feedback. */
enum feedback_divisor { FEEDBACK_BY_ONE, FEEDBACK_BY_CONCURRENCY, FEEDBACK_BY_ROOT };
struct feedback_step {
	double amount;
	enum feedback_divisor divisor;
};

/* False: TEXT is not of that form, or not between 0 and 1. */
bool feedback_parse(struct str text, struct feedback_step *step);

#endif
