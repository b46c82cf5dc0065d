/* bdat - the argument of BDAT (RFC 3030): "SIZE" or "SIZE LAST". */
#ifndef POSTKEEP_SMTP_BDAT_H
#define POSTKEEP_SMTP_BDAT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

struct smtp_bdat {
	uint64_t size;
	bool last;
};

/* ARG as smtp_command_split() gives it. False: 501 5.5.4, and the chunk's length is not known. */
bool smtp_bdat_parse(struct str arg, struct smtp_bdat *b);

#endif
