/*
 * base64 - bytes as text: RFC 4648 section 4
 *
 * What is decoded comes from strangers. Time does not depend on the bytes in a way worth measuring, but no
 * promise is made.
 */
#include "lib/base/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(struct str bytes, struct buf *out)
{
	const unsigned char *in = (const unsigned char *)bytes.data;
	char *to = buf_reserve(out, (bytes.len + 2) / 3 * 4);
	char *start = to;

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		uint32_t group = (uint32_t)in[i] << 16;

		if (left > 1)
			group |= (uint32_t)in[i + 1] << 8;
		if (left > 2)
			group |= in[i + 2];
		*to++ = alphabet[group >> 18];
		*to++ = alphabet[group >> 12 & 63];
		*to++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*to++ = left > 2 ? alphabet[group & 63] : '=';
	}
	out->len += (size_t)(to - start);
}

/* -1: not of the alphabet. */
static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* One group of four with PADS '=' at its end; appends 3 - PADS bytes. */
static bool
decode_group(const char *text, size_t pads, struct buf *out)
{
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - pads ? value_of(text[i]) : 0;

		if (value < 0)
			return false;
		group = group << 6 | (uint32_t)value;
	}
	if ((pads == 1 && (group & 0xff) != 0) || (pads == 2 && (group & 0xffff) != 0))
		return false;
	buf_putc(out, (char)(group >> 16));
	if (pads < 2)
		buf_putc(out, (char)(group >> 8 & 0xff));
	if (pads < 1)
		buf_putc(out, (char)(group & 0xff));
	return true;
}

bool
base64_decode(struct str text, struct buf *out)
{
	size_t before = out->len, pads = 0;

	if (text.len % 4 != 0)
		return false;
	if (text.len > 0 && text.data[text.len - 1] == '=')
		pads = text.data[text.len - 2] == '=' ? 2 : 1;
	buf_reserve(out, text.len / 4 * 3);
	for (size_t i = 0; i < text.len; i += 4)
		if (!decode_group(text.data + i, i + 4 == text.len ? pads : 0, out)) {
			buf_truncate(out, before);
			return false;
		}
	return true;
}
