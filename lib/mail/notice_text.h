/*
 * notice_text - what people read in a delivery status notification
 *
 * Templates: the built-in ones, or those of a file (bounce_template_file, bounce(5)). `bounce` fills them in,
 * `postconf -t` and `-b` show them.
 */
#ifndef POSTKEEP_MAIL_NOTICE_TEXT_H
#define POSTKEEP_MAIL_NOTICE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/ipc/messages.h"

struct notice_text {
	const char *name; /* as in a file of templates: "failure" */
	const char *charset, *from;
	const char *subject, *postmaster_subject;
	/* Lines that end with "\n"; $myhostname and $will_retry_until stand for values. */
	const char *body;
	/* Of a file: the body with the values of parameters, NOTICE_RETRY_MARK where the date goes. Else NULL. */
	const char *ready;
};

#define NOTICE_RETRY_MARK '\1'

struct notice_values {
	struct str myhostname;
	int64_t will_retry_until; /* wall seconds */
};

const struct notice_text *notice_text(enum notice_kind kind);
/* Appends TEXT's body with its values, each line ended by EOL. */
void notice_text_put(const struct notice_text *text, const struct notice_values *values,
    const char *eol, struct buf *out);

#endif
