/*
 * settings - what main.cf says about logging in at servers
 *
 * A word that is none, or a filter that cannot be read, fails each login with its cause; the mail waits.
 */
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/sasl/sasl_private.h"
#include "lib/sasl/settings_private.h"

static const struct {
	const char *word;
	unsigned property;
} words[] = {
    {"noplaintext", SASL_NOPLAINTEXT},
    {"noactive", SASL_NOACTIVE},
    {"nodictionary", SASL_NODICTIONARY},
    {"noanonymous", SASL_NOANONYMOUS},
    {"forward_secrecy", SASL_FORWARD_SECRECY},
    {"mutual_auth", SASL_MUTUAL_AUTH},
};

/* In the order of enum sasl_channel. */
static const char *const options_suffix[] = {
    "sasl_security_options", "sasl_tls_security_options", "sasl_tls_verified_security_options"};
#define CHANNELS (sizeof(options_suffix) / sizeof(options_suffix[0]))

struct options {
	char *name; /* of the parameter */
	char *value;
	unsigned properties;
	struct buf wrong;
};

struct sasl_settings {
	char *service;
	bool enabled, authzid;
	char *filter_name;
	struct match_list *filter; /* NULL: all, or broken */
	struct buf filter_wrong;
	struct options options[CHANNELS];
};

static struct str
value_of(const struct conf *conf, const char *prefix, const char *suffix, char **name)
{
	struct str value = STR_EMPTY;
	struct buf full = {0};

	buf_printf(&full, "%s_%s", prefix, suffix);
	conf_lookup(conf, buf_view(&full), &value);
	if (name)
		*name = buf_take(&full);
	buf_free(&full);
	return value;
}

static void
parse_options(struct options *o, struct str text)
{
	struct str item;

	o->value = str_dup(text);
	while (conf_list_next(&text, &item)) {
		unsigned property = 0;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (str_eq_nocase(item, str_c(words[i].word)))
				property = words[i].property;
		if (property == 0 && o->wrong.len == 0)
			buf_printf(&o->wrong, "%s: \"%.*s\" is no security option", o->name,
			    STR_ARG(item));
		o->properties |= property;
	}
}

struct sasl_settings *
sasl_settings_new(const struct conf *conf, const char *prefix, struct table_paths *paths)
{
	struct sasl_settings *s = MEM_NEW(struct sasl_settings);
	struct str filter;

	s->service = mem_strdup(prefix);
	s->enabled = str_eq(value_of(conf, prefix, "sasl_auth_enable", NULL), STR("yes"));
	s->authzid = conf_bool(conf, P_send_cyrus_sasl_authzid);
	filter = value_of(conf, prefix, "sasl_mechanism_filter", &s->filter_name);
	if (filter.len > 0)
		s->filter = match_list_new_preloaded(
		    MATCH_STRING, false, filter, s->filter_name, paths, &s->filter_wrong);
	for (size_t i = 0; i < CHANNELS; i++)
		parse_options(
		    &s->options[i], value_of(conf, prefix, options_suffix[i], &s->options[i].name));
	return s;
}

void
sasl_settings_free(struct sasl_settings **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < CHANNELS; i++) {
		free((*s)->options[i].name);
		free((*s)->options[i].value);
		buf_free(&(*s)->options[i].wrong);
	}
	match_list_free(&(*s)->filter);
	buf_free(&(*s)->filter_wrong);
	free((*s)->filter_name);
	free((*s)->service);
	free(*s);
	*s = NULL;
}

bool
sasl_settings_enabled(const struct sasl_settings *s)
{
	return s->enabled;
}

const char *
sasl_settings_service(const struct sasl_settings *s)
{
	return s->service;
}

bool
sasl_settings_authzid(const struct sasl_settings *s)
{
	return s->authzid;
}

enum table_status
sasl_settings_filter(const struct sasl_settings *s, struct str name, struct buf *why)
{
	if (s->filter_wrong.len > 0) {
		buf_printf(why, "%s: %.*s", s->filter_name, STR_ARG(buf_view(&s->filter_wrong)));
		return TABLE_ERROR;
	}
	return s->filter ? match_list_has(s->filter, name, STR_EMPTY, why) : TABLE_FOUND;
}

const char *
sasl_settings_filter_name(const struct sasl_settings *s)
{
	return s->filter_name;
}

bool
sasl_settings_options(
    const struct sasl_settings *s, enum sasl_channel channel, unsigned *properties, struct buf *why)
{
	const struct options *o = &s->options[channel];

	*properties = o->properties;
	buf_str(why, buf_view(&o->wrong));
	return o->wrong.len == 0;
}

const char *
sasl_settings_options_name(const struct sasl_settings *s, enum sasl_channel channel)
{
	return s->options[channel].name;
}

void
sasl_settings_put_options(const struct sasl_settings *s, enum sasl_channel channel, struct buf *out)
{
	buf_puts(out, s->options[channel].value);
}
