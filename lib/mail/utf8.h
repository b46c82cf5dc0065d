/* utf8 - is it UTF-8 (RFC 3629), does it need SMTPUTF8 at all. */
#ifndef POSTKEEP_MAIL_UTF8_H
#define POSTKEEP_MAIL_UTF8_H

#include <stdbool.h>

#include "lib/base/str.h"

/* Well-formed: shortest forms only, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(struct str s);
/* Has a byte above 127. */
bool utf8_8bit(struct str s);

#endif
