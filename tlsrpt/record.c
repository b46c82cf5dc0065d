/*
 * record - see record.h
 */
#include "tlsrpt/record.h"

#include <string.h>

#define URI_MAX 1000

bool
record_begins(struct str txt)
{
	struct str version;

	return txt.len > 0 && txt.data[0] == 'v' && str_token(&txt, ";", &version) &&
	    str_eq(str_trim_end(version), STR("v=TLSRPTv1"));
}

/*
 * RFC 3986 section 2: what stands in a URI as it is. '!' and the two separators have to be encoded here
 * (RFC 8460 section 3).
 */
static bool
is_uri_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c != '\0' && strchr("-._~:/?#[]@$&'()*+=%", c));
}

static bool
good_uri(struct str uri)
{
	if (uri.len > URI_MAX ||
	    (!str_starts_nocase(uri, STR("mailto:")) && !str_starts_nocase(uri, STR("https://"))))
		return false;
	for (size_t i = 0; i < uri.len; i++)
		if (!is_uri_byte(uri.data[i]))
			return false;
	return true;
}

bool
record_parse(struct str txt, struct str uris[RECORD_URIS_MAX], size_t *n)
{
	struct str field, uri;
	bool found = false;

	*n = 0;
	if (!record_begins(txt) || !str_token(&txt, ";", &field))
		return false;
	while (!found && str_token(&txt, ";", &field)) {
		field = str_trim(field);
		found = str_starts(field, STR("rua="));
	}
	if (!found)
		return false;
	field = str_from(field, 4);
	while (*n < RECORD_URIS_MAX && str_token(&field, ",", &uri)) {
		uri = str_trim(uri);
		if (good_uri(uri))
			uris[(*n)++] = uri;
	}
	return *n > 0;
}
