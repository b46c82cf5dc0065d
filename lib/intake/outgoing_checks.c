/*
 * outgoing_checks - smtp_header_checks and the like: the actions of header_checks(5) that do not change
 * where or when a message goes
 */
#include "lib/base/log.h"
#include "lib/intake/outgoing_private.h"
#include "lib/mail/header.h"

#define LOGGED 60 /* bytes of a field or line that a log line shows, as Postfix does */

/* One table's answer. */
struct found {
	const char *param;
	bool header;
	struct str queue_id, line;
	struct str text; /* behind the action's name */
};

static void
log_found(const struct found *f, const char *what)
{
	struct str shown = str_sub(f->line, 0, LOGGED);

	log_info("%.*s: %s: %s %.*s%s%.*s", STR_ARG(f->queue_id), what,
	    f->header ? "header" : "body", STR_ARG(shown), f->text.len > 0 ? ": " : "",
	    STR_ARG(f->text));
}

/* May the text of an action stand where the line stands? */
static bool
text_fits(const struct found *f, const char *action)
{
	if (f->text.len == 0)
		log_warning("%s: %s action without text", f->param, action);
	else if (f->header && header_name_length(f->text) == 0)
		log_warning(
		    "%s: %s: \"%.*s\" is not a header field", f->param, action, STR_ARG(f->text));
	else
		return true;
	return false;
}

static const struct {
	const char *name;
	const char *logged; /* NULL: not at all */
	enum outgoing_action action;
} actions[] = {
    {"DUNNO", NULL, OUTGOING_KEEP},
    {"OK", NULL, OUTGOING_KEEP},
    {"IGNORE", NULL, OUTGOING_DROP},
    {"STRIP", "strip", OUTGOING_DROP},
    {"INFO", "info", OUTGOING_KEEP},
    {"WARN", "warning", OUTGOING_KEEP},
    {"PREPEND", "prepend", OUTGOING_PREPEND},
    {"REPLACE", "replace", OUTGOING_REPLACE},
};

/* What VALUE, an entry, orders. */
static enum outgoing_action
obey(struct found *f, struct str value, struct buf *text)
{
	struct str name;

	value = str_trim(value);
	if (!str_token(&value, " \t", &name))
		name = STR_EMPTY;
	f->text = str_trim(value);
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		enum outgoing_action action = actions[i].action;

		if (!str_eq_nocase(name, str_c(actions[i].name)))
			continue;
		if ((action == OUTGOING_PREPEND || action == OUTGOING_REPLACE) &&
		    !text_fits(f, actions[i].name))
			return OUTGOING_KEEP;
		if (actions[i].logged)
			log_found(f, actions[i].logged);
		buf_str(text, f->text);
		return action;
	}
	log_warning(
	    "%s: the action %.*s is not there for mail that is sent", f->param, STR_ARG(name));
	return OUTGOING_KEEP;
}

enum outgoing_status
outgoing_check(const struct outgoing_rules *r, enum outgoing_maps which, struct str queue_id,
    struct str line, enum outgoing_action *action, struct buf *text, struct buf *why)
{
	const struct table_maps *maps = &r->maps[which];
	struct found f = {.param = maps->param,
	    .header = which != OUTGOING_BODY_CHECKS,
	    .queue_id = queue_id,
	    .line = line};
	struct buf value = {0};
	enum table_status status = TABLE_NOT_FOUND;

	*action = OUTGOING_KEEP;
	/* An empty line is no key, as in Postfix. */
	if (line.len > 0 && table_maps_any(maps))
		status = table_maps_lookup(maps, line, true, &value, why);
	if (status == TABLE_FOUND)
		*action = obey(&f, buf_view(&value), text);
	buf_free(&value);
	return status == TABLE_ERROR ? outgoing_table_failed(why) : OUTGOING_OK;
}
