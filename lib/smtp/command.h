/*
 * command - command lines of SMTP and their ESMTP parameters (RFC 5321 sections 2.4 and 4.1.2)
 *
 * Views of the line; nothing is allocated.
 */
#ifndef POSTKEEP_SMTP_COMMAND_H
#define POSTKEEP_SMTP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

struct smtp_command {
	struct str verb; /* up to the first blank; may be empty */
	struct str arg;  /* the rest, without blanks at both ends */
};

/* LINE without its line end. Leading blanks are skipped. */
void smtp_command_split(struct str line, struct smtp_command *c);
bool smtp_command_is(const struct smtp_command *c, const char *verb);
/*
 * ARG begins with KEYWORD ("FROM", "TO") and a colon, case and blanks around the colon aside
 * (STRICT: no blanks). *PATH is what follows.
 */
bool smtp_command_keyword(struct str arg, const char *keyword, bool strict, struct str *path);

/*
 * Decodes nothing, checks everything: is LINE free of bytes a command may not have (NUL, control
 * bytes except tab, bytes above 127 unless UTF8, which must then be valid)?
 */
bool smtp_command_clean(struct str line, bool utf8);

enum smtp_param_status {
	SMTP_PARAM_END,
	SMTP_PARAM_OK,
	SMTP_PARAM_BAD, /* not KEYWORD or KEYWORD=VALUE: 501 5.5.4 */
};
struct smtp_param {
	struct str key;
	struct str value;
	bool has_value; /* KEY= with nothing behind is BAD */
};
/* Takes the next parameter off *REST (what follows the path). UTF8: values may have UTF-8. */
enum smtp_param_status smtp_param_next(struct str *rest, bool utf8, struct smtp_param *p);

/* SIZE=: at most 20 digits (RFC 1870). */
bool smtp_size_parse(struct str value, uint64_t *size);

#endif
