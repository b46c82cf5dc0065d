/*
 * postconf_texts - the texts of delivery status notifications: -t as they stand, -b with their values
 */
#include "config.h"

#include "admin/postconf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/conf/params.h"
#include "lib/mail/notice_file.h"

/*
 * The texts that are asked for: of FILE, of bounce_template_file, or the built-in ones. A file with
 * something wrong in it ends the program.
 */
static void
load(const struct request *r, const struct conf *c, struct arena *a,
    struct notice_text texts[NOTICE_KINDS])
{
	const char *path = r->names[0] ? r->names[0] : conf_cstr(c, P_bounce_template_file);
	struct notice_file_error error = {0};

	for (size_t i = 0; i < NOTICE_KINDS; i++)
		texts[i] = *notice_text((enum notice_kind)i);
	if (*path && !notice_file_load(path, c, a, texts, &error)) {
		if (error.line)
			log_fatal("%s, line %zu: %s", path, error.line, buf_cstr(&error.why));
		log_fatal("%s: %s", path, buf_cstr(&error.why));
	}
	buf_free(&error.why);
}

static void
put_template(const struct notice_text *text, struct buf *out)
{
	buf_printf(out,
	    "%s_template = <<EOF\n"
	    "Charset: %s\n"
	    "From: %s\n"
	    "Subject: %s\n",
	    text->name, text->charset, text->from, text->subject);
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
	struct notice_text texts[NOTICE_KINDS];
	struct arena *a = arena_new(1024);
	struct buf out = {0};

	load(r, c, a, texts);
	for (size_t i = 0; i < NOTICE_KINDS; i++) {
		if (expanded)
			put_expanded(&texts[i], c, &out);
		else
			put_template(&texts[i], &out);
		buf_puts(&out, "EOF\n\n");
	}
	print_text(&out);
	print_problems(&problems);
	conf_problems_free(&problems);
	conf_free(&c);
	arena_free(&a);
	buf_free(&out);
	return 0;
}
