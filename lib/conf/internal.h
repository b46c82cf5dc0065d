/*
 * internal - what the files of lib/conf share: the snapshot, and the work of making one
 *
 * Nobody outside lib/conf includes this.
 */
#ifndef POSTKEEP_CONF_INTERNAL_H
#define POSTKEEP_CONF_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/hash.h"
#include "lib/conf/conf.h"
#include "lib/conf/params.h"

/* All values of one snapshot together, after expansion. */
#define CONF_TEXT_MAX ((size_t)16 << 20)

enum value_state {
	VALUE_NEW,
	VALUE_BUSY, /* being expanded: who comes here again has found a loop */
	VALUE_DONE,
};

/* name = value as somebody wrote it. */
struct conf_setting {
	struct str name, raw;
	size_t line; /* in main.cf; 0: an override */
};

/* A name that is not in the table: user-defined, or of a family. */
struct conf_user {
	struct conf_setting setting;
	const struct param_template *family; /* NULL: user-defined, a string */
	struct str value;
	int64_t number; /* of a family's member */
	enum value_state state;
	bool referred; /* some value mentions $name, or lists it as a restriction class */
};

struct conf {
	struct arena *arena;
	char *dir, *file;
	int unread;                            /* errno, when the file could not be read */
	struct conf_setting *set[PARAM_COUNT]; /* NULL: not set */
	struct str value[PARAM_COUNT];
	int64_t number[PARAM_COUNT];
	uint8_t state[PARAM_COUNT];
	struct hash *user; /* of struct conf_user, in the arena */
};

struct loader {
	struct conf *c;
	struct conf_problems *problems;
	size_t text; /* bytes of values expanded so far */
};

/* Who asks whom, from the value being expanded up to the first one. */
struct frame {
	const struct frame *asked_by;
	struct str name;
	unsigned depth;
};

/* evaluate.c: expands and types every value; what is wrong goes to the problems. */
void conf_evaluate_all(struct loader *l);
/* The same for a few. */
void conf_evaluate_some(struct loader *l, const enum param *wanted, size_t n_wanted);
/* Evaluates P if it is not yet; false (WHY) if that leads back to P. */
bool conf_evaluate(struct loader *l, const struct frame *asked_by, enum param p, struct buf *why);

/* computed.c: the default of a computed parameter, appended to OUT. */
bool conf_compute(
    struct loader *l, const struct frame *f, enum param p, struct buf *out, struct buf *why);
/* networks.c: what mynetworks is when nobody sets it. */
void conf_compute_networks(
    struct str style, struct str interfaces, struct str protocols, struct buf *out);

/* values.c: TEXT as a value of P's type; false: WHY says what it should be. */
bool conf_parse_value(enum param p, struct str text, int64_t *number, struct buf *why);

/* check.c: names nobody knows, comments behind values, values that contradict each other. */
void conf_check(struct loader *l);

#endif
