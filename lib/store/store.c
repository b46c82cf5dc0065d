/*
 * store - problems and header lines of delivery: see store.h
 *
 * Addresses come from strangers: control characters in them are replaced, so that no address can end
 * a header line.
 */
#include "lib/store/store.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "lib/mail/date.h"

static const char *
dsn_of(int error)
{
	switch (error) {
	case EDQUOT:
	case EFBIG:
		return "4.2.2";
	case ENOSPC:
		return "4.3.1";
	case EIO:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return "4.3.0";
	default:
		return "4.2.0";
	}
}

bool
store_problem(struct store_problem *p, int error, const char *format, ...)
{
	va_list ap;

	p->dsn = dsn_of(error);
	buf_reset(&p->why);
	va_start(ap, format);
	buf_vprintf(&p->why, format, ap);
	va_end(ap);
	if (error != 0)
		buf_printf(&p->why, ": %s", strerror(error));
	return false;
}

void
store_problem_copy(struct store_problem *to, const struct store_problem *from)
{
	to->dsn = from->dsn;
	buf_reset(&to->why);
	buf_str(&to->why, buf_view(&from->why));
}

static void
put_text(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		buf_putc(out, c < ' ' || c == 0x7f ? '?' : (char)c);
	}
}

void
store_head(struct str sender, struct str orig, struct str recipient, struct buf *out)
{
	buf_puts(out, "Return-Path: <");
	put_text(sender, out);
	buf_puts(out, ">\n");
	if (orig.len > 0) {
		buf_puts(out, "X-Original-To: ");
		put_text(orig, out);
		buf_putc(out, '\n');
	}
	buf_puts(out, "Delivered-To: ");
	put_text(recipient, out);
	buf_putc(out, '\n');
}

void
store_envelope(struct str sender, time_t when, struct buf *out)
{
	char date[MAIL_DATE_SIZE];

	mail_date_ctime(when, date);
	buf_puts(out, "From ");
	put_text(sender.len > 0 ? sender : STR("MAILER-DAEMON"), out);
	buf_printf(out, "  %s\n", date);
}

bool
store_was_delivered_to(struct str message, struct str recipient)
{
	static const struct str name = {"Delivered-To:", 13};

	while (message.len > 0) {
		size_t lf = str_chr(message, '\n');
		struct str line = str_trim_end(str_sub(message, 0, lf));

		if (line.len == 0)
			break;
		if (str_starts_nocase(line, name) &&
		    str_eq_nocase(str_trim(str_from(line, name.len)), recipient))
			return true;
		message = lf == STR_NPOS ? STR_EMPTY : str_from(message, lf + 1);
	}
	return false;
}
