/*
 * str - text as {data, len}
 *
 * A view: it owns nothing and need not end in NUL. Everything that comes from outside travels as a
 * struct str, so that a NUL is a byte like any other and no length is ever guessed.
 */
#ifndef POSTKEEP_BASE_STR_H
#define POSTKEEP_BASE_STR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *data;
	size_t len;
};

#define STR_NPOS ((size_t)-1)

/* A view of a string literal; of nothing; and the two arguments that printf's "%.*s" takes. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_EMPTY ((struct str){"", 0})
#define STR_ARG(s) (int)((s).len > INT_MAX ? INT_MAX : (s).len), (s).data

/* The view of a NUL-terminated string; NULL gives the empty one. */
struct str str_c(const char *s);
struct str str_n(const void *data, size_t len);

bool str_eq(struct str a, struct str b);
/* ASCII case is ignored; bytes above 127 compare as they are. */
bool str_eq_nocase(struct str a, struct str b);
/* Order of bytes, a shorter prefix first: <0, 0, >0. */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends_nocase(struct str s, struct str suffix);

/* Index of the first (last) such byte or text, STR_NPOS if there is none. */
size_t str_chr(struct str s, char c);
size_t str_rchr(struct str s, char c);
size_t str_find(struct str s, struct str needle);

/* Part of S from index FROM, at most N bytes; indexes past the end give an empty view. */
struct str str_sub(struct str s, size_t from, size_t n);
struct str str_from(struct str s, size_t from);

/* Without white space (space, tab, CR, LF) at both ends; at the end only. */
struct str str_trim(struct str s);
struct str str_trim_end(struct str s);

/*
 * Takes the next token off *REST: skips bytes that stand in SEPARATORS, then runs up to the next one.
 * False when nothing is left.
 */
bool str_token(struct str *rest, const char *separators, struct str *token);

/*
 * Decimal digits only, the whole of S, value at most MAX. False (and *VALUE untouched) otherwise.
 */
bool str_to_u64(struct str s, uint64_t max, uint64_t *value);

/* A malloc'ed NUL-terminated copy; the caller frees it. */
char *str_dup(struct str s);

#endif
