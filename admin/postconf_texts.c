/*
 * postconf_texts - the texts of delivery status notifications: -t as they stand, -b with their values
 */
#include "config.h"

#include "admin/postconf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/conf/params.h"
#include "lib/mail/notice_text.h"

/* Texts from a file are not read by any program, and showing others than are sent would mislead. */
static void
refuse_files(const struct request *r, const struct conf *c)
{
	if (r->names[0] && r->names[0][0])
		log_fatal("%s: texts from a file are not used by this version: \"\" stands for the"
			  " built-in ones",
		    r->names[0]);
	if (!r->names[0] && conf_raw(c, P_bounce_template_file).len > 0)
		log_warning(
		    "bounce_template_file is not used by this version: these are the built-in"
		    " texts, and they are what is sent");
}

static void
put_template(const struct notice_text *text, struct buf *out)
{
	buf_printf(out,
	    "%s_template = <<EOF\n"
	    "Charset: us-ascii\n"
	    "From: MAILER-DAEMON (Mail Delivery System)\n"
	    "Subject: %s\n",
	    text->name, text->subject);
	if (!str_eq(str_c(text->subject), str_c(text->postmaster_subject)))
		buf_printf(out, "Postmaster-Subject: %s\n", text->postmaster_subject);
	buf_printf(out, "\n%s", text->body);
}

static void
put_expanded(const struct notice_text *text, const struct conf *c, struct buf *out)
{
	const struct notice_values values = {
	    .myhostname = conf_str(c, P_myhostname),
	    .will_retry_until = clock_wall() + conf_time(c, P_maximal_queue_lifetime),
	};

	buf_printf(out, "expanded_%s_text = <<EOF\n", text->name);
	notice_text_put(text, &values, "\n", out);
}

int
texts_show(const struct request *r, bool expanded)
{
	struct conf_problems problems = {0};
	struct conf *c = conf_load(r->dir, r->overrides, r->n_overrides, &problems);
	struct buf out = {0};

	refuse_files(r, c);
	for (size_t i = 0; i < NOTICE_KINDS; i++) {
		const struct notice_text *text = notice_text((enum notice_kind)i);

		if (expanded)
			put_expanded(text, c, &out);
		else
			put_template(text, &out);
		buf_puts(&out, "EOF\n\n");
	}
	print_text(&out);
	print_problems(&problems);
	conf_problems_free(&problems);
	conf_free(&c);
	buf_free(&out);
	return 0;
}
