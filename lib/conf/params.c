/*
 * params - look-ups in the table of parameters
 *
 * The rows are sorted by name (conf/params.awk), so a name is found by bisection.
 */
#include "lib/conf/params.h"

#include <string.h>

/* Longest name that suggestions are made for; the table's longest has 60 letters. */
#define SUGGEST_NAME_MAX 80

struct str
param_name(enum param p)
{
	return (struct str){param_texts + param_infos[p].name, param_infos[p].name_len};
}

struct str
param_default(enum param p)
{
	return str_c(param_texts + param_infos[p].default_value);
}

struct str
param_words(enum param p)
{
	return str_c(param_texts + param_infos[p].words);
}

struct str
param_readers(enum param p)
{
	return str_c(param_explanations + param_infos[p].readers);
}

struct str
param_explanation(enum param p)
{
	return str_c(param_explanations + param_infos[p].explanation);
}

const char *
param_type_name(enum param_type type)
{
	static const char *const names[] = {
	    "string", "raw", "list", "bool", "int", "size", "time", "enum", "path"};

	return names[type];
}

bool
param_find(struct str name, enum param *p)
{
	size_t low = 0, high = PARAM_COUNT;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = str_cmp(name, param_name((enum param)mid));

		if (order == 0) {
			*p = (enum param)mid;
			return true;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

const struct param_template *
param_family(struct str name, size_t *prefix_len)
{
	for (size_t i = 0; i < PARAM_TEMPLATE_COUNT; i++) {
		struct str suffix = str_c(param_texts + param_templates[i].suffix);

		if (name.len <= suffix.len)
			continue;
		if (str_eq(str_from(name, name.len - suffix.len), suffix)) {
			*prefix_len = name.len - suffix.len;
			return &param_templates[i];
		}
	}
	return NULL;
}

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/*
 * How many letters must be inserted, deleted, replaced or swapped with their neighbour to make A of B;
 * LIMIT + 1 when it is more than LIMIT.
 */
static size_t
edit_distance(struct str a, struct str b, size_t limit)
{
	size_t rows[3][SUGGEST_NAME_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	if (a.len > b.len + limit || b.len > a.len + limit)
		return limit + 1;
	for (size_t j = 0; j <= b.len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *spare = before;
		size_t least = row[0] = i;

		for (size_t j = 1; j <= b.len; j++) {
			size_t cost = a.data[i - 1] != b.data[j - 1];

			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
			    a.data[i - 2] == b.data[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
			if (row[j] < least)
				least = row[j];
		}
		if (least > limit)
			return limit + 1;
		before = last;
		last = row;
		row = spare;
	}
	return last[b.len];
}

bool
param_suggest(struct str name, enum param *p)
{
	/* One slip in a short name, up to three in a long one; more is another word. */
	size_t best = 1 + name.len / 8;
	bool found = false;

	if (best > 3)
		best = 3;
	if (name.len < 3 || name.len > SUGGEST_NAME_MAX)
		return false;
	for (size_t i = 0; i < PARAM_COUNT; i++) {
		struct str other = param_name((enum param)i);
		size_t distance;

		if (other.len > SUGGEST_NAME_MAX)
			continue;
		distance = edit_distance(name, other, best);
		if (distance < best || (distance == best && !found)) {
			best = distance;
			*p = (enum param)i;
			found = true;
		}
	}
	return found;
}
