/*
 * rules - what becomes of each header field, and what is added when the header is over
 *
 * Field names and values are a stranger's. A field is changed only where an address in it lacks its
 * domain; everything else goes on byte for byte.
 */
#include "lib/base/log.h"
#include "lib/intake/intake_private.h"
#include "lib/mail/date.h"
#include "lib/mail/utf8.h"

#define MESSAGE_ID_MAX 998 /* of what is kept for the log */

void
intake_rules_init(struct intake *in)
{
	const struct conf *conf = in->context.conf;
	struct str domain = conf_str(conf, P_remote_header_rewrite_domain);
	int64_t hops = conf_int(conf, P_hopcount_limit);
	bool local = in->context.local;

	in->at_start = in->line_start = true;
	in->hops_max = hops > 0 ? (uint64_t)hops : 0;
	in->rewrite = local || domain.len > 0;
	in->complete = local || conf_bool(conf, P_always_add_missing_headers);
	in->qualify = (struct header_qualify){STR_EMPTY, STR_EMPTY};
	if (conf_bool(conf, P_append_at_myorigin))
		in->qualify.origin = local ? conf_str(conf, P_myorigin) : domain;
	if (conf_bool(conf, P_append_dot_mydomain))
		in->qualify.domain = local ? conf_str(conf, P_mydomain) : domain;
}

/* --- One field ------------------------------------------------------------------------------ */

static bool
is_dropped(const struct intake *in, struct str name)
{
	struct str rest = conf_str(in->context.conf, P_message_drop_headers), item;

	if (in->context.remove_bcc &&
	    (str_eq_nocase(name, STR("Bcc")) || str_eq_nocase(name, STR("Resent-Bcc"))))
		return true;
	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(name, item))
			return true;
	return false;
}

static const struct {
	const char *name;
	unsigned seen;
} watched[] = {
    {"Cc", INTAKE_SEEN_RECIPIENT},
    {"Date", INTAKE_SEEN_DATE},
    {"From", INTAKE_SEEN_FROM},
    {"Message-Id", INTAKE_SEEN_MESSAGE_ID},
    {"Resent-Cc", INTAKE_SEEN_RESENT_RECIPIENT},
    {"Resent-Date", INTAKE_SEEN_RESENT_DATE},
    {"Resent-From", INTAKE_SEEN_RESENT_FROM},
    {"Resent-Message-Id", INTAKE_SEEN_RESENT_MESSAGE_ID},
    {"Resent-To", INTAKE_SEEN_RESENT_RECIPIENT},
    {"To", INTAKE_SEEN_RECIPIENT},
};

static unsigned
watch(struct str name)
{
	unsigned seen = str_starts_nocase(name, STR("Resent-")) ? INTAKE_SEEN_RESENT : 0;

	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		if (str_eq_nocase(name, str_c(watched[i].name)))
			return seen | watched[i].seen;
	return seen;
}

/* Notes a field that goes on, by its name. */
static void
note(struct intake *in, struct str name)
{
	in->seen |= watch(name);
	if (str_eq_nocase(name, STR("Received")) && ++in->hops > in->hops_max)
		intake_refuse(in, INTAKE_TOO_MANY_HOPS,
		    "554 5.4.0 Too many Received lines (hopcount_limit): the message seems to "
		    "loop");
}

/* The first Message-Id is the message's. */
static void
keep_message_id(struct intake *in, struct str value)
{
	if (in->message_id.len > 0)
		return;
	header_unfold(value, &in->message_id);
	if (in->message_id.len > MESSAGE_ID_MAX)
		buf_truncate(&in->message_id, MESSAGE_ID_MAX);
}

/* The field NAME was larger than it may be. Once per message: a stranger writes no logs. */
static void
tell_cut(struct intake *in, struct str name)
{
	if (!in->cut_told)
		log_warning(
		    "%.*s: header field %.*s is larger than header_size_limit (%zu bytes): what is "
		    "too much is left out",
		    STR_ARG(in->context.queue_id), STR_ARG(name), in->field_max);
	in->cut_told = true;
}

void
intake_field(struct intake *in, struct str field)
{
	struct str name = str_sub(field, 0, header_name_length(field)), value;
	size_t colon = str_chr(field, ':') + 1;
	struct buf changed = {0};

	if (is_dropped(in, name))
		return;
	if (in->cut)
		tell_cut(in, name);
	note(in, name);
	/* Every field gathered ends in CRLF. */
	value = str_sub(field, colon, field.len - colon - 2);
	if (str_eq_nocase(name, STR("Message-Id")))
		keep_message_id(in, value);
	if (in->rewrite && header_role(name) != HEADER_OTHER &&
	    header_qualify(value, &in->qualify, &changed)) {
		struct buf folded = {0};

		/* What has been added may have made lines too long for SMTP, which would cut them anywhere. */
		header_fold_list(buf_view(&changed), colon, &folded);
		intake_emit(in, str_sub(field, 0, colon));
		intake_emit(in, buf_view(&folded));
		intake_emit(in, STR("\r\n"));
		buf_free(&folded);
	} else {
		intake_emit(in, field);
	}
	buf_free(&changed);
}

/* --- The end of the header ------------------------------------------------------------------ */

static void
add_message_id(struct intake *in, bool resent, struct buf *out)
{
	struct buf id = {0};

	mail_message_id((time_t)(in->context.arrival_us / 1000000), in->context.queue_id,
	    conf_str(in->context.conf, P_myhostname), &id);
	buf_printf(out, "%sMessage-Id: %.*s\r\n", resent ? "Resent-" : "", STR_ARG(buf_view(&id)));
	if (!resent)
		keep_message_id(in, buf_view(&id));
	buf_free(&id);
}

static void
add_date(struct intake *in, bool resent, struct buf *out)
{
	char date[MAIL_DATE_SIZE];

	mail_date((time_t)(in->context.arrival_us / 1000000), date);
	buf_printf(out, "%sDate: %s\r\n", resent ? "Resent-" : "", date);
}

/* "From: Full Name <user@example.org>", or with header_from_format = obsolete the name behind. */
static void
add_from(struct intake *in, bool resent, struct buf *out)
{
	const struct conf *conf = in->context.conf;
	struct str name = str_trim(in->context.full_name), text;
	struct mail_address sender = in->context.sender;
	struct arena *a = arena_new(0);

	if (address_is_null(&sender)) {
		sender.local = STR("MAILER-DAEMON");
		name = STR("Mail Delivery System");
	}
	if (sender.domain.len == 0)
		sender.domain = conf_str(conf, P_myorigin);
	intake_qualify(conf, a, &sender);
	text = address_text(&sender, a);
	buf_puts(out, resent ? "Resent-From: " : "From: ");
	if (name.len == 0) {
		buf_str(out, text);
	} else if (str_eq(conf_str(conf, P_header_from_format), STR("obsolete")) &&
	    str_chr(name, '(') == STR_NPOS && str_chr(name, ')') == STR_NPOS &&
	    str_chr(name, '\\') == STR_NPOS && !utf8_8bit(name)) {
		buf_printf(out, "%.*s (%.*s)", STR_ARG(text), STR_ARG(name));
	} else {
		header_phrase(name, out);
		buf_printf(out, " <%.*s>", STR_ARG(text));
	}
	buf_puts(out, "\r\n");
	arena_free(&a);
}

/*
 * What Postfix adds, in its order. A message that was resent (RFC 5322 section 3.6.6) gets the Resent-
 * forms of what its sender left out; the original's are not ours to complete.
 */
void
intake_complete_header(struct intake *in)
{
	bool resent = in->seen & INTAKE_SEEN_RESENT;
	struct str undisclosed = conf_str(in->context.conf, P_undisclosed_recipients_header);
	struct buf out = {0};

	if (in->complete) {
		if (!(in->seen & (resent ? INTAKE_SEEN_RESENT_MESSAGE_ID : INTAKE_SEEN_MESSAGE_ID)))
			add_message_id(in, resent, &out);
		if (!(in->seen & (resent ? INTAKE_SEEN_RESENT_DATE : INTAKE_SEEN_DATE)))
			add_date(in, resent, &out);
		if (!(in->seen & (resent ? INTAKE_SEEN_RESENT_FROM : INTAKE_SEEN_FROM)))
			add_from(in, resent, &out);
		if (undisclosed.len > 0 &&
		    !(in->seen & (INTAKE_SEEN_RECIPIENT | INTAKE_SEEN_RESENT_RECIPIENT)))
			buf_printf(&out, "%.*s\r\n", STR_ARG(undisclosed));
	}
	intake_emit(in, buf_view(&out));
	buf_free(&out);
}

void
intake_qualify(const struct conf *conf, struct arena *a, struct mail_address *address)
{
	struct str mydomain = conf_str(conf, P_mydomain);

	if (address_is_null(address))
		return;
	if (address->domain.len == 0 && conf_bool(conf, P_append_at_myorigin))
		address->domain = arena_str(a, conf_str(conf, P_myorigin));
	if (address->domain.len > 0 && conf_bool(conf, P_append_dot_mydomain) && mydomain.len > 0 &&
	    address->domain.data[0] != '[' && str_chr(address->domain, '.') == STR_NPOS)
		address->domain =
		    arena_printf(a, "%.*s.%.*s", STR_ARG(address->domain), STR_ARG(mydomain));
	address->utf8 = utf8_8bit(address->local) || utf8_8bit(address->domain);
}
