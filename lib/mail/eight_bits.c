/* eight_bits - which parts of a message have bytes above 127: see eight_bits.h */
#include "lib/mail/eight_bits.h"

#include "lib/mail/utf8.h"

void
eight_bits_add(struct eight_bits *e, struct str piece)
{
	while (!e->in_body && piece.len > 0) {
		size_t end = str_chr(piece, '\n');
		struct str part = str_sub(piece, 0, end == STR_NPOS ? piece.len : end + 1);

		e->header = e->header || utf8_8bit(part);
		if (e->line == 0)
			e->first = part.data[0];
		e->line += part.len;
		piece = str_from(piece, part.len);
		if (end == STR_NPOS)
			continue;
		e->in_body = e->first == '\n' || (e->first == '\r' && e->line == 2);
		e->line = 0;
	}
	e->body = e->body || utf8_8bit(piece);
}
