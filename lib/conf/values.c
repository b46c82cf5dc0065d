/*
 * values - from the text of a value to its type
 *
 * Each parser takes the whole text or refuses it, and says what it would have taken.
 */
#include "lib/conf/internal.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/net.h"
#include "lib/conf/expand.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_separator(char c)
{
	return is_space(c) || c == ',';
}

/* The end of the item at the front of S: the first separator outside braces. */
static size_t
item_end(struct str s)
{
	size_t level = 0, i;

	for (i = 0; i < s.len; i++) {
		if (s.data[i] == '{')
			level++;
		else if (s.data[i] == '}' && level > 0)
			level--;
		else if (level == 0 && is_separator(s.data[i]))
			break;
	}
	return i;
}

/* Is S one group, from its first letter to its last? */
static bool
is_group(struct str s)
{
	size_t level = 0;

	if (s.len < 2 || s.data[0] != '{')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '{')
			level++;
		else if (s.data[i] == '}' && --level == 0)
			return i == s.len - 1;
	}
	return false;
}

bool
conf_list_next(struct str *rest, struct str *item)
{
	size_t end;

	while (rest->len > 0 && is_separator(rest->data[0]))
		*rest = str_from(*rest, 1);
	if (rest->len == 0)
		return false;
	end = item_end(*rest);
	*item = str_sub(*rest, 0, end);
	*rest = str_from(*rest, end);
	if (is_group(*item))
		*item = str_trim(str_sub(*item, 1, item->len - 2));
	return true;
}

static int64_t
unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 604800;
	default:
		return 0;
	}
}

bool
conf_parse_time(struct str s, char unit, int64_t *seconds)
{
	int64_t factor;
	uint64_t n;

	if (s.len > 0 && unit_seconds(s.data[s.len - 1]) > 0) {
		unit = s.data[s.len - 1];
		s = str_sub(s, 0, s.len - 1);
	}
	factor = unit_seconds(unit);
	if (factor == 0 || !str_to_u64(s, (uint64_t)(INT64_MAX / factor), &n))
		return false;
	*seconds = (int64_t)n * factor;
	return true;
}

/* Bytes, with k, m or g behind the number for powers of 1024. */
static bool
parse_size(struct str s, int64_t *bytes)
{
	unsigned shift = 0;
	uint64_t n;

	if (s.len > 0) {
		char c = s.data[s.len - 1];

		shift = c == 'k' || c == 'K' ? 10
		    : c == 'm' || c == 'M'   ? 20
		    : c == 'g' || c == 'G'   ? 30
					     : 0;
		if (shift > 0)
			s = str_sub(s, 0, s.len - 1);
	}
	if (!str_to_u64(s, (uint64_t)INT64_MAX >> shift, &n))
		return false;
	*bytes = (int64_t)(n << shift);
	return true;
}

static bool
parse_bool(struct str s, int64_t *number)
{
	if (str_eq_nocase(s, STR("yes")))
		*number = 1;
	else if (str_eq_nocase(s, STR("no")))
		*number = 0;
	else
		return false;
	return true;
}

/* The place of S among "a|b|c", from 0; the empty word may be one of them. */
static bool
word_index(struct str words, struct str s, int64_t *index)
{
	for (int64_t i = 0;; i++) {
		size_t bar = str_chr(words, '|');

		if (str_eq_nocase(str_sub(words, 0, bar), s)) {
			*index = i;
			return true;
		}
		if (bar == STR_NPOS)
			return false;
		words = str_from(words, bar + 1);
	}
}

/* "a, b or c" */
static void
tell_words(struct str words, struct buf *why)
{
	size_t bar;

	do {
		struct str word;

		bar = str_chr(words, '|');
		word = str_sub(words, 0, bar);
		words = bar == STR_NPOS ? STR_EMPTY : str_from(words, bar + 1);
		buf_str(why, word.len > 0 ? word : STR("(empty)"));
		if (bar != STR_NPOS)
			buf_puts(why, str_chr(words, '|') == STR_NPOS ? " or " : ", ");
	} while (bar != STR_NPOS);
}

static bool
parse_words(struct str words, struct str text, struct buf *why)
{
	struct str item;
	int64_t index;

	while (conf_list_next(&text, &item)) {
		if (word_index(words, item, &index))
			continue;
		buf_printf(why, "\"%.*s\" is not one of ", STR_ARG(item));
		tell_words(words, why);
		return false;
	}
	return true;
}

static bool
in_range(const struct param_info *info, int64_t number, struct buf *why)
{
	const char *unit = info->type == PARAM_TIME ? " seconds"
	    : info->type == PARAM_SIZE              ? " bytes"
						    : "";

	if (number < info->min)
		buf_printf(why, "must be at least %" PRId64 "%s", info->min, unit);
	else if (number > info->max)
		buf_printf(why, "must be at most %" PRId64 "%s", info->max, unit);
	else
		return true;
	return false;
}

static bool
is_host_name(struct str s)
{
	char before = '.';

	if (s.len == 0 || s.len > 255)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '.' && (before == '.' || before == '-'))
			return false;
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_' && c != '.')
			return false;
		before = c;
	}
	return before != '.' && before != '-';
}

static bool
refuse(struct buf *why, const char *text)
{
	buf_puts(why, text);
	return false;
}

/* WORDS: the kind of string, if it is a certain one. */
/* Nothing, or an address of FAMILY, which may stand in brackets. */
static bool
is_source(struct str text, int family)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr bytes;

	if (text.len > 1 && text.data[0] == '[' && text.data[text.len - 1] == ']')
		text = str_sub(text, 1, text.len - 2);
	if (text.len == 0)
		return true;
	if (text.len >= sizeof(copy) || str_chr(text, '\0') != STR_NPOS)
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return inet_pton(family, copy, &bytes) == 1;
}

static bool
check_string(struct str words, struct str text, struct buf *why)
{
	int order;

	if (str_eq(words, STR("hostname")) && !is_host_name(text))
		return refuse(why, "must be a host name: letters, digits, \"-\" and \".\"");
	if (str_eq(words, STR("ipv4")) && !is_source(text, AF_INET))
		return refuse(why, "must be an IPv4 address, or empty");
	if (str_eq(words, STR("ipv6")) && !is_source(text, AF_INET6))
		return refuse(why, "must be an IPv6 address, or empty");
	if (str_eq(words, STR("level")) &&
	    (text.len == 0 || !expand_compare_levels(text, STR("0"), &order)))
		return refuse(why, "must be a release such as 2 or 3.6");
	return true;
}

/* An address of IPv6 may have the interface by which it is reached behind a '%'. */
static bool
is_address(struct str s)
{
	size_t percent = str_chr(s, '%');
	char text[INET6_ADDRSTRLEN];
	struct in6_addr bytes;

	if (percent != STR_NPOS && percent + 1 == s.len)
		return false;
	s = str_sub(s, 0, percent);
	if (s.len >= sizeof(text) || str_chr(s, '\0') != STR_NPOS)
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return (percent == STR_NPOS && inet_pton(AF_INET, text, &bytes) == 1) ||
	    inet_pton(AF_INET6, text, &bytes) == 1;
}

/* "address", "address:port" (IPv4 only), "[address]", "[address]:port". */
static bool
is_server(struct str s)
{
	size_t end = str_chr(s, ']'), colon = str_rchr(s, ':');
	uint64_t port;

	if (is_address(s))
		return true;
	if (str_starts(s, STR("["))) {
		if (end == STR_NPOS || !is_address(str_sub(s, 1, end - 1)))
			return false;
		if (end + 1 == s.len)
			return true;
		if (colon != end + 1)
			return false;
	} else if (colon == STR_NPOS || str_chr(s, ':') != colon ||
	    !is_address(str_sub(s, 0, colon))) {
		return false;
	}
	return str_to_u64(str_from(s, colon + 1), UINT16_MAX, &port) && port > 0;
}

/* Only what is meant as an address: names, files and tables stand in such lists, too. */
static bool
check_networks(struct str text, struct buf *why)
{
	struct net net;
	struct str item;

	while (conf_list_next(&text, &item)) {
		while (item.len > 0 && item.data[0] == '!')
			item = str_trim(str_from(item, 1));
		if (net_parse(item, &net, why) == NET_BAD)
			return false;
	}
	return true;
}

static bool
check_list(struct str words, struct str text, struct buf *why)
{
	struct str item;

	if (str_eq(words, STR("networks")))
		return check_networks(text, why);
	if (!str_eq(words, STR("servers")))
		return words.len == 0 || parse_words(words, text, why);
	while (conf_list_next(&text, &item))
		if (!is_server(item)) {
			buf_printf(why, "\"%.*s\" is no address, address:port or [address]:port",
			    STR_ARG(item));
			return false;
		}
	return true;
}

bool
conf_parse_value(enum param p, struct str text, int64_t *number, struct buf *why)
{
	const struct param_info *info = &param_infos[p];
	struct str words = param_words(p);
	uint64_t n;

	*number = 0;
	switch ((enum param_type)info->type) {
	case PARAM_STRING:
		return check_string(words, text, why);
	case PARAM_RAW:
		return true;
	case PARAM_LIST:
		return check_list(words, text, why);
	case PARAM_BOOL:
		return parse_bool(text, number) || refuse(why, "must be yes or no");
	case PARAM_INT:
		if (!str_to_u64(text, INT64_MAX, &n))
			return refuse(why, "must be a number");
		*number = (int64_t)n;
		return in_range(info, *number, why);
	case PARAM_SIZE:
		return parse_size(text, number) ? in_range(info, *number, why)
						: refuse(why, "must be a number of bytes");
	case PARAM_TIME:
		return conf_parse_time(text, info->unit, number)
		    ? in_range(info, *number, why)
		    : refuse(why, "must be a time: a number with s, m, h, d or w behind it");
	case PARAM_ENUM:
		if (word_index(words, text, number))
			return true;
		buf_puts(why, "must be ");
		tell_words(words, why);
		return false;
	case PARAM_PATH:
		if (str_eq(words, STR("absolute")) && (text.len == 0 || text.data[0] != '/'))
			return refuse(why, "must be a path that begins with \"/\"");
		return true;
	}
	return false;
}
