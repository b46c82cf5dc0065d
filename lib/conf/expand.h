/*
 * expand - the expansion language of configuration values
 *
 *	$name ${name} $(name)             the value, empty if there is none
 *	${name?text} ${name:text}         TEXT if the value is not empty / is empty
 *	${name?{a}:{b}}                   A or B
 *	${{v1} op {v2} ? {a} : {b}}       op: == != < <= > >=, by number if both are digits; and with
 *	                                  "level" behind it (<=level) by release number
 *	$$                                $
 *
 * It cannot run anything. Depth and size are bounded; the cost is linear in text times depth.
 */
#ifndef POSTKEEP_CONF_EXPAND_H
#define POSTKEEP_CONF_EXPAND_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

#define EXPAND_DEPTH_MAX 100
#define EXPAND_VALUE_MAX ((size_t)1 << 20)

struct expander {
	/* The value of NAME, empty if there is none. False: it has none because of an error, in WHY. */
	bool (*lookup)(struct expander *e, struct str name, struct str *value);
	const void *context;
	unsigned depth; /* of nesting, this text included */
	struct buf *why;
};

/* Expands TEXT and appends to OUT. False: WHY says what is wrong; OUT may hold a part. */
bool expand_text(struct expander *e, struct str text, struct buf *out);

/*
 * Calls SEEN for every name that TEXT refers to, whether or not evaluation would come there. Syntax
 * errors are passed over.
 */
void expand_names(struct str text, void (*seen)(void *context, struct str name), void *context);

/* Compares two releases ("2", "3.6"): <0, 0, >0. False if one is not a release. */
bool expand_compare_levels(struct str a, struct str b, int *order);

#endif
