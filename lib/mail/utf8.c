/*
 * utf8 - UTF-8 as RFC 3629 has it
 *
 * Trusts nothing: the bytes are a stranger's.
 */
#include <stdint.h>
#include <string.h>

#include "lib/mail/utf8.h"

bool
utf8_8bit(struct str s)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	unsigned char all = 0;
	size_t i = 0;

	/* Eight bytes at a time: every body goes through here. */
	for (uint64_t word; s.len - i >= sizeof word; i += sizeof word) {
		memcpy(&word, s.data + i, sizeof word);
		if (word & high)
			return true;
	}
	for (; i < s.len; i++)
		all |= (unsigned char)s.data[i];
	return all & 0x80;
}

/* Length of the sequence at P (N bytes left), 0 if it is none. */
static size_t
sequence(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (n < len)
		return 0;
	/* The second byte's range rules out long forms, surrogates and what lies above U+10FFFF. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

bool
utf8_valid(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.data;
	size_t len;

	for (size_t i = 0; i < s.len; i += len) {
		len = sequence(p + i, s.len - i);
		if (len == 0)
			return false;
	}
	return true;
}
