/*
 * saslprep - login names and passwords in one form, however they were typed: SASLprep (RFC 4013), by GNU libidn
 *
 * What is prepared stands in the administrator's tables. The copies that libidn makes on its way it frees without
 * wiping them; the memory of a confined process is nobody's to read.
 */
#include <stringprep.h>

#include "lib/mail/utf8.h"
#include "lib/sasl/sasl_private.h"

/* More bytes than anybody types; characters that combine are put in order in quadratic time. */
#define PREPARED_MAX 1024
/* U+FDFA, three bytes, becomes 33; nothing grows more by NFKC. */
#define GROWTH 11

/* What SASLprep leaves as it is, and nothing else in ASCII. */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < ' ' || s.data[i] > '~')
			return false;
	return true;
}

static const char *
problem(int status)
{
	switch (status) {
	case STRINGPREP_CONTAINS_PROHIBITED:
	case STRINGPREP_BIDI_CONTAINS_PROHIBITED:
		return "has a character that SASLprep (RFC 4013) prohibits";
	case STRINGPREP_BIDI_BOTH_L_AND_RAL:
	case STRINGPREP_BIDI_LEADTRAIL_NOT_RAL:
		return "mixes characters that are written from right to left with others, in a way "
		       "that "
		       "SASLprep (RFC 4013) prohibits";
	default:
		return "cannot be prepared by SASLprep (RFC 4013)";
	}
}

static const char *
prepare(struct str name, struct buf *out)
{
	size_t room = name.len * GROWTH + 1;
	int status;

	if (str_chr(name, '\0') != STR_NPOS)
		return problem(STRINGPREP_CONTAINS_PROHIBITED);
	if (!utf8_valid(name))
		return "is not in UTF-8";
	if (name.len > PREPARED_MAX)
		return "is too long";
	buf_reserve(out, room);
	buf_str(out, name);
	buf_putc(out, '\0');
	/* No flag: unassigned code points are let through, as in every "query" (RFC 3454 section 7). */
	status = stringprep(out->data, room, 0, stringprep_saslprep);
	if (status != STRINGPREP_OK)
		return problem(status);
	out->len = str_c(out->data).len;
	return out->len > 0 ? NULL : "is empty after SASLprep (RFC 4013)";
}

bool
saslprep(struct str name, const char *what, struct buf *out, struct buf *why)
{
	const char *wrong = NULL;

	buf_wipe(out);
	if (is_plain(name)) {
		buf_reserve(out, name.len + 1);
		buf_str(out, name);
	} else {
		wrong = prepare(name, out);
	}
	if (wrong) {
		buf_printf(why, "the %s %s", what, wrong);
		buf_wipe(out);
	}
	return !wrong;
}
