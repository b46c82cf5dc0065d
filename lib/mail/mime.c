/*
 * mime - labels and boundaries for what the suite composes
 */
#include <stdint.h>

#include "lib/base/random.h"
#include "lib/mail/mime.h"

#define BOUNDARY_MAX 70 /* RFC 2046 section 5.1.1 */

const char *
mime_encoding(bool has_8bit)
{
	return has_8bit ? "8bit" : "7bit";
}

/* At most MAX bytes of S: those that may stand in a boundary without trouble. */
static void
boundary_text(struct str s, size_t max, struct buf *out)
{
	for (size_t i = 0; i < s.len && max > 0; i++) {
		char c = s.data[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '.' || c == '-') {
			buf_putc(out, c);
			max--;
		}
	}
}

void
mime_boundary(struct str queue_id, struct str host, struct buf *out)
{
	size_t start = out->len;
	uint64_t number;

	random_bytes(&number, sizeof number);
	boundary_text(queue_id, 24, out);
	buf_printf(out, ".%016llX/", (unsigned long long)number);
	/* At most 42 so far. */
	boundary_text(host, BOUNDARY_MAX - (out->len - start), out);
}

bool
mime_type_is(struct str value, struct str type)
{
	size_t end = 0;

	value = str_trim(value);
	while (end < value.len && value.data[end] != ';' && value.data[end] != ' ' &&
	    value.data[end] != '\t' && value.data[end] != '(' && value.data[end] != '\r' &&
	    value.data[end] != '\n')
		end++;
	return str_eq_nocase(str_sub(value, 0, end), type);
}
