/*
 * table_pcre - the patterns of pcre: tables, by PCRE2
 *
 * What is matched is a stranger's. Some patterns take time that grows without measure with the key: a match that takes
 * too much is an error with the cause, and mail waits; it is not "no match", which a stranger could bring about.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/table/table_private.h"

/* Steps of one match: some milliseconds. */
#define STEPS_MAX 200000
#define HEAP_MAX 4096 /* KiB */

static const struct {
	char letter;
	uint32_t option;
} letters[] = {
    {'i', PCRE2_CASELESS}, {'m', PCRE2_MULTILINE}, {'s', PCRE2_DOTALL}, {'x', PCRE2_EXTENDED},
    {'A', PCRE2_ANCHORED}, {'E', PCRE2_DOLLAR_ENDONLY}, {'U', PCRE2_UNGREEDY},
    {'X', 0}, /* an unknown escape is an error in any case */
};
#define LETTERS (sizeof(letters) / sizeof(letters[0]))

static bool
options_of(struct str flags, uint32_t *options, struct buf *why)
{
	*options = PCRE2_CASELESS | PCRE2_DOTALL;
	for (size_t i = 0; i < flags.len; i++) {
		size_t l = 0;

		while (l < LETTERS && letters[l].letter != flags.data[i])
			l++;
		if (l == LETTERS) {
			buf_printf(why, "unknown flag \"%c\" behind the pattern", flags.data[i]);
			return false;
		}
		*options ^= letters[l].option;
	}
	return true;
}

static void *
compile(const char *pattern, struct str flags, size_t *parts, struct buf *why)
{
	PCRE2_UCHAR words[200] = "";
	pcre2_code *code;
	PCRE2_SIZE at = 0;
	uint32_t options, n = 0;
	int error = 0;

	if (!options_of(flags, &options, why))
		return NULL;
	code =
	    pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
	if (!code) {
		pcre2_get_error_message(error, words, sizeof(words));
		buf_printf(why, "pattern \"%s\": %s at offset %zu", pattern, (const char *)words,
		    (size_t)at);
		return NULL;
	}
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &n);
	*parts = n;
	return code;
}

static void
take_spans(pcre2_match_data *data, size_t n, struct table_span *spans)
{
	const PCRE2_SIZE *places = pcre2_get_ovector_pointer(data);
	size_t there = pcre2_get_ovector_count(data);

	for (size_t i = 0; i < n; i++) {
		bool set =
		    i < there && places[2 * i] != PCRE2_UNSET && places[2 * i] <= places[2 * i + 1];

		spans[i].from = set ? places[2 * i] : 0;
		spans[i].n = set ? places[2 * i + 1] - places[2 * i] : 0;
	}
}

static enum table_status
match(const void *compiled, struct str key, size_t n, struct table_span *spans, struct buf *why)
{
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(compiled, NULL);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	PCRE2_UCHAR words[200] = "";
	int found = PCRE2_ERROR_NOMEMORY;

	if (data && context) {
		pcre2_set_match_limit(context, STEPS_MAX);
		pcre2_set_heap_limit(context, HEAP_MAX);
		found = pcre2_match(compiled, (PCRE2_SPTR)key.data, key.len, 0, 0, data, context);
	}
	if (found > 0)
		take_spans(data, n, spans);
	pcre2_match_data_free(data);
	pcre2_match_context_free(context);
	if (found > 0)
		return TABLE_FOUND;
	if (found == PCRE2_ERROR_NOMATCH)
		return TABLE_NOT_FOUND;
	pcre2_get_error_message(found, words, sizeof(words));
	buf_printf(why, "a pattern takes too much for a key of %zu bytes: %s", key.len,
	    (const char *)words);
	return TABLE_ERROR;
}

static void
drop(void *compiled)
{
	pcre2_code_free(compiled);
}

void
table_pcre_register(void)
{
	static const struct table_pattern_ops ops = {
	    .compile = compile, .match = match, .free = drop};

	table_pcre_ops_set(&ops);
}
