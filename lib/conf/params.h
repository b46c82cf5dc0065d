/*
 * params - the table of parameters, as conf/params.tsv declares it
 *
 * Constant data, shared by all processes. Who only wants a value asks lib/conf/conf.h; this is for the
 * loader and for programs that list parameters (postconf, postkeep check).
 */
#ifndef POSTKEEP_CONF_PARAMS_H
#define POSTKEEP_CONF_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/conf/params.gen.h"

enum param_type {
	PARAM_STRING,
	PARAM_RAW, /* a string in which $name is expanded at use, by its reader */
	PARAM_LIST,
	PARAM_BOOL,
	PARAM_INT,
	PARAM_SIZE,
	PARAM_TIME,
	PARAM_ENUM,
	PARAM_PATH,
};

enum param_state {
	PARAM_STATE_USED,   /* has its effect today */
	PARAM_STATE_KNOWN,  /* accepted, no effect yet */
	PARAM_STATE_MISSED, /* likewise, and without it mail is treated otherwise: check warns */
	PARAM_STATE_NONE,   /* accepted, has no purpose here; the explanation says why */
};

/* One row; texts are offsets into the two pools. */
struct param_info {
	int64_t min, max; /* int, size (bytes), time (seconds) */
	uint32_t name, default_value, words;
	uint32_t readers, explanation;
	uint8_t type, state;
	char unit;     /* of a time without suffix */
	bool computed; /* the default comes from the machine, not from the table */
	uint8_t name_len;
};

/* A family of parameters, one per transport or service: NAME followed by suffix. */
struct param_template {
	uint32_t suffix; /* "_destination_rate_delay" */
	enum param row;  /* the row that declares its type: P_transport_destination_rate_delay */
	enum param base; /* whose value is the default: P_default_destination_rate_delay */
};

extern const char param_texts[];
extern const char param_explanations[];
extern const struct param_info param_infos[PARAM_COUNT];
extern const struct param_template param_templates[PARAM_TEMPLATE_COUNT];

struct str param_name(enum param p);
/* The default before expansion; empty for a computed one (conf_raw_default() has those). */
struct str param_default(enum param p);
/* What may stand in it, "a|b|c"; empty if everything may. */
struct str param_words(enum param p);
struct str param_readers(enum param p);
struct str param_explanation(enum param p);
/* "string", "bool" … */
const char *param_type_name(enum param_type type);

/* The parameter of that name; false if there is none. */
bool param_find(struct str name, enum param *p);
/*
 * The family that NAME belongs to ("x_destination_rate_delay"), and with PREFIX_LEN the length of the
 * transport's name; NULL if it belongs to none.
 */
const struct param_template *param_family(struct str name, size_t *prefix_len);
/* The parameter whose name is most like NAME; false if none is near enough to be a misspelling. */
bool param_suggest(struct str name, enum param *p);

#endif
