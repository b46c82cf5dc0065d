/*
 * str - text as {data, len}
 *
 * Trusts its callers that data points to len bytes, and nothing about what the bytes are. A view of
 * nothing may have a null pointer; no function here hands one to memcmp() and the like.
 */
#include "config.h"

#include "lib/base/str.h"

#include <string.h>

#include "lib/base/mem.h"

struct str
str_c(const char *s)
{
	return s ? (struct str){s, strlen(s)} : STR_EMPTY;
}

struct str
str_n(const void *data, size_t len)
{
	return len ? (struct str){data, len} : STR_EMPTY;
}

/* Bytes, not the locale's letters: what SMTP compares must not depend on the machine's language. */
static unsigned char
lower(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

static bool
same_bytes(const char *a, const char *b, size_t n)
{
	return n == 0 || memcmp(a, b, n) == 0;
}

static bool
same_letters(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && same_bytes(a.data, b.data, a.len);
}

bool
str_eq_nocase(struct str a, struct str b)
{
	return a.len == b.len && same_letters(a.data, b.data, a.len);
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.data, b.data, n) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && same_bytes(s.data, prefix.data, prefix.len);
}

bool
str_starts_nocase(struct str s, struct str prefix)
{
	return s.len >= prefix.len && same_letters(s.data, prefix.data, prefix.len);
}

bool
str_ends_nocase(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq_nocase(str_from(s, s.len - suffix.len), suffix);
}

size_t
str_chr(struct str s, char c)
{
	const char *at = s.len ? memchr(s.data, c, s.len) : NULL;

	return at ? (size_t)(at - s.data) : STR_NPOS;
}

size_t
str_rchr(struct str s, char c)
{
	const char *at = s.len ? memrchr(s.data, c, s.len) : NULL;

	return at ? (size_t)(at - s.data) : STR_NPOS;
}

size_t
str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return STR_NPOS;
	/* The C library's search is linear in s, whatever the needle: a stranger may choose both. */
	at = memmem(s.data, s.len, needle.data, needle.len);
	return at ? (size_t)(at - s.data) : STR_NPOS;
}

struct str
str_sub(struct str s, size_t from, size_t n)
{
	if (from >= s.len)
		return STR_EMPTY;
	if (n > s.len - from)
		n = s.len - from;
	return str_n(s.data + from, n);
}

struct str
str_from(struct str s, size_t from)
{
	return str_sub(s, from, STR_NPOS);
}

static bool
is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	size_t from = 0;

	while (from < s.len && is_white(s.data[from]))
		from++;
	return str_trim_end(str_from(s, from));
}

struct str
str_trim_end(struct str s)
{
	while (s.len > 0 && is_white(s.data[s.len - 1]))
		s.len--;
	return str_n(s.data, s.len);
}

bool
str_token(struct str *rest, const char *separators, struct str *token)
{
	struct str sep = str_c(separators);
	size_t from = 0, to;

	while (from < rest->len && str_chr(sep, rest->data[from]) != STR_NPOS)
		from++;
	for (to = from; to < rest->len && str_chr(sep, rest->data[to]) == STR_NPOS;)
		to++;
	*token = str_sub(*rest, from, to - from);
	*rest = str_from(*rest, to);
	return to > from;
}

bool
str_to_u64(struct str s, uint64_t max, uint64_t *value)
{
	uint64_t sum = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		if (__builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(s.data[i] - '0'), &sum) || sum > max)
			return false;
	}
	*value = sum;
	return true;
}

char *
str_dup(struct str s)
{
	char *copy = mem_array(1, s.len + 1);

	if (s.len)
		memcpy(copy, s.data, s.len);
	return copy;
}
