/*
 * date - dates and Message-Ids for headers
 *
 * Names of days and months are fixed words here: strftime's would follow the locale.
 */
#include <stdio.h>

#include "lib/mail/date.h"

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* A zone name goes into a comment: letters, digits, sign, and not too long. */
static bool
plain_zone(const char *zone)
{
	size_t n = 0;

	if (!zone)
		return false;
	for (; zone[n]; n++) {
		char c = zone[n];

		if (n == 12 ||
		    !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '+' || c == '-'))
			return false;
	}
	return n > 0;
}

void
mail_date_tm(const struct tm *tm, char out[MAIL_DATE_SIZE])
{
	long minutes = tm->tm_gmtoff / 60;
	char sign = minutes < 0 ? '-' : '+';
	bool named = plain_zone(tm->tm_zone);

	if (minutes < 0)
		minutes = -minutes;
	/* The % keep every number within its width, whatever tm holds. */
	snprintf(out, MAIL_DATE_SIZE, "%s, %d %s %d %02d:%02d:%02d %c%02d%02d%s%.12s%s",
	    day_names[(unsigned)tm->tm_wday % 7], tm->tm_mday % 100,
	    month_names[(unsigned)tm->tm_mon % 12], tm->tm_year + 1900, tm->tm_hour % 100,
	    tm->tm_min % 100, tm->tm_sec % 100, sign, (int)(minutes / 60 % 100),
	    (int)(minutes % 60), named ? " (" : "", named ? tm->tm_zone : "", named ? ")" : "");
}

/* A time no calendar can hold becomes 1970 in UTC: a wrong date must not stop mail. */
static void
broken_down(time_t t, struct tm *tm)
{
	time_t zero = 0;

	if (!localtime_r(&t, tm))
		gmtime_r(&zero, tm);
}

void
mail_date(time_t t, char out[MAIL_DATE_SIZE])
{
	struct tm tm;

	broken_down(t, &tm);
	mail_date_tm(&tm, out);
}

void
mail_date_ctime(time_t t, char out[MAIL_DATE_SIZE])
{
	struct tm tm;

	broken_down(t, &tm);
	snprintf(out, MAIL_DATE_SIZE, "%s %s %2d %02d:%02d:%02d %d",
	    day_names[(unsigned)tm.tm_wday % 7], month_names[(unsigned)tm.tm_mon % 12], tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

void
mail_message_id(time_t t, struct str queue_id, struct str host, struct buf *out)
{
	time_t zero = 0;
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		gmtime_r(&zero, &tm);
	buf_printf(out, "<%04d%02d%02d%02d%02d%02d.%.*s@%.*s>", tm.tm_year + 1900, tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, STR_ARG(queue_id), STR_ARG(host));
}
