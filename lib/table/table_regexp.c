/*
 * table_regexp - regexp: and pcre: patterns in a file, as regexp_table(5) has them, or in the value: regexp:{ … }
 *
 *     /pattern/flags result      !/pattern/flags result
 *     if /pattern/flags  …  endif          if !/pattern/flags  …  endif
 *
 * The patterns are the administrator's, what is matched is a stranger's. Those of regexp: are POSIX extended regular
 * expressions of the C library, those of pcre: are compiled by a library of their own (table_pcre.c). Unlike in Postfix
 * a line that makes no sense makes the whole table unusable, and mail waits: a check that is left out would let through
 * what it is there for.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/table/table_private.h"

#define RULES_MAX 100000
#define DEPTH_MAX 100              /* if within if */
#define GROUPS_MAX TABLE_SPANS_MAX /* $0 is none of them: $1 to $99 */

enum rule_kind {
	RULE_MATCH,
	RULE_IF,
	RULE_ENDIF,
};

struct rule {
	enum rule_kind kind;
	bool negate;
	void *pattern; /* the engine's */
	size_t parts;  /* how many it has in parentheses */
	char *result;
	size_t groups; /* the highest $number of the result */
	size_t end;    /* RULE_IF: the index of its endif */
};

struct regexp_table {
	const struct table_pattern_ops *engine;
	char *spec;
	struct table_file file; /* path NULL: the rules stand in the spec */
	struct rule *rules;
	size_t n;
	bool frozen;
	struct buf wrong; /* why there are no rules */
};

static void
drop_rules(struct regexp_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->rules[i].pattern)
			t->engine->free(t->rules[i].pattern);
		free(t->rules[i].result);
	}
	free(t->rules);
	t->rules = NULL;
	t->n = 0;
}

/* --- Substitution --------------------------------------------------------------------------- */

/* Takes the digits at the start of *REST, in braces or parentheses or without: 0 when there are none. */
static size_t
take_number(struct str *rest)
{
	struct str s = *rest, digits;
	char close = '\0';
	uint64_t number;
	size_t n = 0;

	if (s.len > 0 && (s.data[0] == '{' || s.data[0] == '(')) {
		close = s.data[0] == '{' ? '}' : ')';
		s = str_from(s, 1);
	}
	while (n < s.len && s.data[n] >= '0' && s.data[n] <= '9')
		n++;
	digits = str_sub(s, 0, n);
	s = str_from(s, n);
	if (!str_to_u64(digits, GROUPS_MAX - 1, &number) ||
	    (close && (s.len == 0 || s.data[0] != close)))
		return 0;
	*rest = close ? str_from(s, 1) : s;
	return (size_t)number;
}

/*
 * Appends TEXT to OUT with $1, ${1}, $(1) and $$ replaced; MATCHES NULL: only checks. *HIGHEST gets the
 * highest number. False: a "$" that is none of these.
 */
static bool
substitute(struct str text, struct str key, const struct table_span *matches, struct buf *out,
    size_t *highest)
{
	while (text.len > 0) {
		size_t dollar = str_chr(text, '$'), number;

		buf_str(out, str_sub(text, 0, dollar));
		if (dollar == STR_NPOS)
			break;
		text = str_from(text, dollar + 1);
		if (text.len > 0 && text.data[0] == '$') {
			buf_putc(out, '$');
			text = str_from(text, 1);
			continue;
		}
		number = take_number(&text);
		if (number == 0)
			return false;
		if (number > *highest)
			*highest = number;
		if (matches)
			buf_str(out, str_sub(key, matches[number].from, matches[number].n));
	}
	return true;
}

/* --- Compiling ------------------------------------------------------------------------------ */

static void *
posix_compile(const char *pattern, struct str letters, size_t *parts, struct buf *why)
{
	regex_t *compiled;
	int flags = REG_EXTENDED | REG_ICASE, error;
	char words[200];

	for (size_t i = 0; i < letters.len; i++) {
		switch (letters.data[i]) {
		case 'i':
			flags ^= REG_ICASE;
			break;
		case 'm':
			flags ^= REG_NEWLINE;
			break;
		case 'x':
			flags ^= REG_EXTENDED;
			break;
		default:
			buf_printf(why, "unknown flag \"%c\" behind the pattern", letters.data[i]);
			return NULL;
		}
	}
	compiled = MEM_NEW(regex_t);
	error = regcomp(compiled, pattern, flags);
	if (error == 0) {
		*parts = compiled->re_nsub;
		return compiled;
	}
	regerror(error, compiled, words, sizeof(words));
	buf_printf(why, "pattern \"%s\": %s", pattern, words);
	free(compiled);
	return NULL;
}

static enum table_status
posix_match(
    const void *compiled, struct str key, size_t n, struct table_span *spans, struct buf *why)
{
	regmatch_t parts[TABLE_SPANS_MAX];

	(void)why;
	/* KEY ends in a NUL and has none before: run_rules() sees to that. */
	if (regexec(compiled, key.data, n, n > 0 ? parts : NULL, 0) != 0)
		return TABLE_NOT_FOUND;
	for (size_t i = 0; i < n; i++) {
		bool set = parts[i].rm_so >= 0;

		spans[i].from = set ? (size_t)parts[i].rm_so : 0;
		spans[i].n = set ? (size_t)(parts[i].rm_eo - parts[i].rm_so) : 0;
	}
	return TABLE_FOUND;
}

static void
posix_free(void *compiled)
{
	regfree(compiled);
	free(compiled);
}

static const struct table_pattern_ops posix_ops = {
    .compile = posix_compile, .match = posix_match, .free = posix_free};

/* Takes "!/pattern/flags" off *REST and compiles it. */
static bool
take_pattern(const struct regexp_table *t, struct str *rest, struct rule *r, struct buf *why)
{
	struct str text, flags;
	size_t end = 0, blank = 0;
	char *pattern;
	char delimiter;

	*rest = str_trim(*rest);
	for (; rest->len > 0 && rest->data[0] == '!'; *rest = str_trim(str_from(*rest, 1)))
		r->negate = !r->negate;
	if (rest->len == 0 || strchr("\\\"", rest->data[0]) ||
	    (rest->data[0] >= '0' && rest->data[0] <= '9') ||
	    ((rest->data[0] | 0x20) >= 'a' && (rest->data[0] | 0x20) <= 'z')) {
		buf_puts(why, "a pattern between two slashes is needed");
		return false;
	}
	delimiter = rest->data[0];
	text = str_from(*rest, 1);
	while (end < text.len && text.data[end] != delimiter)
		end += text.data[end] == '\\' ? 2 : 1;
	if (end >= text.len) {
		buf_printf(why, "the closing \"%c\" of the pattern is missing", delimiter);
		return false;
	}
	*rest = str_from(text, end + 1);
	while (blank < rest->len && rest->data[blank] != ' ' && rest->data[blank] != '\t')
		blank++;
	flags = str_sub(*rest, 0, blank);
	*rest = str_from(*rest, blank);
	pattern = str_dup(str_sub(text, 0, end));
	r->pattern = t->engine->compile(pattern, flags, &r->parts, why);
	free(pattern);
	return r->pattern != NULL;
}

static struct rule *
new_rule(struct regexp_table *t, enum rule_kind kind)
{
	struct rule *r;

	if ((t->n & (t->n - 1)) == 0)
		t->rules = mem_resize(t->rules, (t->n == 0 ? 1 : 2 * t->n) * sizeof(*t->rules));
	r = &t->rules[t->n++];
	*r = (struct rule){.kind = kind};
	return r;
}

/* The result, which stands in *REST, and what of the match it asks for. */
static bool
take_result(struct str rest, struct rule *r, struct buf *why)
{
	struct buf unused = {0};
	bool ok;

	r->result = str_dup(str_trim(rest));
	ok = substitute(str_c(r->result), STR_EMPTY, NULL, &unused, &r->groups);
	buf_free(&unused);
	if (!ok)
		buf_puts(why, "\"$\" in a result is written as $$, or has a number behind it");
	else if (r->negate && r->groups > 0)
		buf_puts(why, "what does not match has no parts to put into the result");
	else if (r->groups > r->parts)
		buf_printf(why, "the result has $%zu, the pattern %zu parts in parentheses",
		    r->groups, r->parts);
	else
		return true;
	return false;
}

struct parser {
	struct regexp_table *table;
	size_t open[DEPTH_MAX]; /* the indexes of "if" without "endif" */
	size_t depth;
};

static bool
is_word(struct str line, struct str word)
{
	return str_starts_nocase(line, word) &&
	    (line.len == word.len || strchr(" \t!", line.data[word.len]) ||
		(!(line.data[word.len] >= '0' && line.data[word.len] <= '9') &&
		    !((line.data[word.len] | 0x20) >= 'a' && (line.data[word.len] | 0x20) <= 'z')));
}

static bool
parse_if(struct parser *p, struct str rest, struct buf *why)
{
	struct rule *r;

	if (p->depth == DEPTH_MAX) {
		buf_printf(why, "more than %d \"if\" within each other", DEPTH_MAX);
		return false;
	}
	r = new_rule(p->table, RULE_IF);
	if (!take_pattern(p->table, &rest, r, why)) {
		p->table->n--;
		return false;
	}
	p->open[p->depth++] = p->table->n - 1;
	return true;
}

static bool
parse_rule(struct parser *p, struct str line, struct buf *why)
{
	struct regexp_table *t = p->table;

	if (t->n >= RULES_MAX) {
		buf_printf(why, "more than %d rules", RULES_MAX);
		return false;
	}
	if (is_word(line, STR("endif"))) {
		if (p->depth == 0) {
			buf_puts(why, "\"endif\" without \"if\"");
			return false;
		}
		new_rule(t, RULE_ENDIF);
		t->rules[p->open[--p->depth]].end = t->n - 1;
		return true;
	}
	if (is_word(line, STR("if")))
		return parse_if(p, str_from(line, 2), why);
	if (!take_pattern(t, &line, new_rule(t, RULE_MATCH), why)) {
		t->n--;
		return false;
	}
	return take_result(line, &t->rules[t->n - 1], why);
}

static bool
parse_end(const struct parser *p, struct buf *why)
{
	if (p->depth > 0)
		buf_puts(why, "an \"if\" without \"endif\"");
	return p->depth == 0;
}

/* All lines of a file. What is wrong goes to T->wrong, and there are no rules then. */
static void
parse_file(struct regexp_table *t, struct str content)
{
	struct parser p = {.table = t};
	struct buf line = {0}, why = {0};
	size_t number = 0, first = 0;
	bool ok = true;

	drop_rules(t);
	buf_reset(&t->wrong);
	while (ok && table_text_line(&content, &line, &number, &first))
		ok = parse_rule(&p, buf_view(&line), &why);
	if (!ok || !parse_end(&p, &why)) {
		buf_printf(&t->wrong, "table %s: %s, line %zu: %s", t->spec, t->file.path,
		    ok ? number : first, buf_cstr(&why));
		drop_rules(t);
	}
	buf_free(&line);
	buf_free(&why);
}

static bool
parse_value(struct regexp_table *t, struct str list, struct buf *why)
{
	struct parser p = {.table = t};
	struct buf cause = {0};
	struct str item;
	bool ok = true;

	while (ok && conf_list_next(&list, &item))
		ok = parse_rule(&p, str_trim(item), &cause);
	ok = ok && parse_end(&p, &cause);
	if (!ok)
		buf_printf(why, "%s: %s", t->spec, buf_cstr(&cause));
	buf_free(&cause);
	return ok;
}

/* --- Looking up ----------------------------------------------------------------------------- */

/* FOUND: the rule is for KEY. */
static enum table_status
matches(const struct regexp_table *t, const struct rule *r, struct str key,
    struct table_span *parts, struct buf *why)
{
	size_t n = r->groups > 0 ? r->groups + 1 : 0;
	enum table_status status = t->engine->match(r->pattern, key, n, parts, why);

	if (status == TABLE_ERROR || !r->negate)
		return status;
	return status == TABLE_FOUND ? TABLE_NOT_FOUND : TABLE_FOUND;
}

static enum table_status
run_rules(const struct regexp_table *t, struct str key, struct buf *value, struct buf *why)
{
	struct table_span parts[TABLE_SPANS_MAX];
	size_t unused = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct rule *r = &t->rules[i];

		if (r->kind == RULE_ENDIF)
			continue;
		switch (matches(t, r, key, parts, why)) {
		case TABLE_ERROR:
			return TABLE_ERROR;
		case TABLE_NOT_FOUND:
			if (r->kind == RULE_IF)
				i = r->end;
			break;
		case TABLE_FOUND:
			if (r->kind == RULE_IF)
				break;
			substitute(str_c(r->result), key, parts, value, &unused);
			return TABLE_FOUND;
		}
	}
	return TABLE_NOT_FOUND;
}

/* Reads the file if it has changed. False with WHY: there are no rules. */
static bool
refresh(struct regexp_table *t, struct buf *why)
{
	struct buf content = {0}, cause = {0};

	if (t->file.path && !t->frozen) {
		switch (table_file_look(&t->file, &content, &cause)) {
		case TABLE_FILE_NEW:
			parse_file(t, buf_view(&content));
			break;
		case TABLE_FILE_ERROR:
			drop_rules(t);
			buf_reset(&t->wrong);
			buf_printf(&t->wrong, "table %s: %s", t->spec, buf_cstr(&cause));
			break;
		case TABLE_FILE_SAME:
			break;
		}
	}
	buf_free(&content);
	buf_free(&cause);
	buf_str(why, buf_view(&t->wrong));
	return t->wrong.len == 0;
}

static enum table_status
regexp_lookup(void *state, struct str key, struct buf *value, struct buf *why)
{
	struct regexp_table *t = state;
	struct buf text = {0}, cause = {0};
	enum table_status status;

	if (!refresh(t, why))
		return TABLE_ERROR;
	/* The C library's patterns end at a NUL: what stands behind one must not escape them. */
	for (size_t i = 0; i < key.len; i++)
		buf_putc(&text, key.data[i] ? key.data[i] : ' ');
	buf_cstr(&text);
	status = run_rules(t, buf_view(&text), value, &cause);
	if (status == TABLE_ERROR)
		buf_printf(why, "table %s: %s", t->spec, buf_cstr(&cause));
	buf_free(&text);
	buf_free(&cause);
	return status;
}

static void
regexp_close(void *state)
{
	struct regexp_table *t = state;

	drop_rules(t);
	buf_free(&t->wrong);
	free(t->file.path);
	free(t->spec);
	free(t);
}

static void *
open_with(const struct table_pattern_ops *engine, struct str spec, struct str name, struct buf *why)
{
	struct regexp_table *t = MEM_NEW(struct regexp_table);

	t->engine = engine;
	t->spec = str_dup(spec);
	if (name.data[0] != '{') {
		t->file.path = str_dup(name);
		return t;
	}
	if (name.len < 2 || name.data[name.len - 1] != '}')
		buf_printf(why, "%s: { { /pattern/ result } … } is needed", t->spec);
	else if (parse_value(t, str_sub(name, 1, name.len - 2), why))
		return t;
	regexp_close(t);
	return NULL;
}

static void *
regexp_open(struct str spec, struct str name, const char *param, struct buf *why)
{
	(void)param;
	return open_with(&posix_ops, spec, name, why);
}

static void *
pcre_open(struct str spec, struct str name, const char *param, struct buf *why)
{
	(void)param;
	if (table_pcre_ops())
		return open_with(table_pcre_ops(), spec, name, why);
	buf_printf(why, "%.*s: this program reads no pcre: tables; use proxy:%.*s", STR_ARG(spec),
	    STR_ARG(spec));
	return NULL;
}

static void
regexp_preload(void *state, struct table_paths *paths)
{
	struct regexp_table *t = state;
	struct buf why = {0};

	if (t->file.path)
		table_paths_add(paths, t->file.path);
	refresh(t, &why);
	t->frozen = true;
	buf_free(&why);
}

const struct table_type table_type_regexp = {.name = "regexp",
    .open = regexp_open,
    .lookup = regexp_lookup,
    .close = regexp_close,
    .preload = regexp_preload,
    .pattern = true};

const struct table_type table_type_pcre = {.name = "pcre",
    .open = pcre_open,
    .lookup = regexp_lookup,
    .close = regexp_close,
    .preload = regexp_preload,
    .pattern = true};
