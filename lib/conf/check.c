/*
 * check - what a main.cf says that its writer cannot have meant
 *
 * Names that nobody knows, comments that became part of a value, values that contradict each other,
 * and notes on parameters that have no effect here. Nothing here changes a value.
 */
#include "lib/conf/internal.h"

#include "lib/conf/expand.h"
#include "lib/conf/feedback_step.h"
#include "lib/conf/master_cf.h"

/* Looking for a similar name costs about a millisecond; who has more misspellings begins with these. */
#define SUGGESTIONS_MAX 20

struct check {
	struct loader *l;
	struct master_cf *master; /* NULL until somebody asks */
	bool master_tried;
	struct hash *databases; /* likewise; the values mean nothing */
	unsigned suggestions;
};

static void
problem_at(const struct check *k, enum conf_severity severity, const struct conf_setting *s,
    const char *text)
{
	conf_problem(k->l->problems, severity, s->line ? k->l->c->file : NULL, s->line, "%.*s: %s",
	    STR_ARG(s->name), text);
}

static void
seen_name(void *context, struct str name)
{
	const struct conf *c = context;
	struct conf_user *u = hash_get(c->user, name);

	if (u)
		u->referred = true;
}

/* Marks every name that a value refers to, and the restriction classes. */
static void
mark_references(struct conf *c)
{
	struct str classes = c->value[P_smtpd_restriction_classes], name;
	size_t cursor = 0;
	void *u;

	for (size_t p = 0; p < PARAM_COUNT; p++)
		if (c->set[p])
			expand_names(c->set[p]->raw, seen_name, c);
	while (hash_next(c->user, &cursor, &name, &u))
		expand_names(((const struct conf_user *)u)->setting.raw, seen_name, c);
	while (conf_list_next(&classes, &name))
		seen_name(c, name);
}

/* master.cf may use names too, and its services have parameters. Read only if there is a doubt. */
static const struct master_cf *
master_of(struct check *k)
{
	struct conf_problems ignored = {0};

	if (!k->master_tried) {
		k->master_tried = true;
		k->master = master_cf_load(k->l->c->dir, &ignored);
		for (size_t i = 0; i < k->master->count; i++)
			for (size_t j = 0; j < k->master->entries[i].n_overrides; j++)
				expand_names(
				    k->master->entries[i].overrides[j].value, seen_name, k->l->c);
		conf_problems_free(&ignored);
	}
	return k->master;
}

/* Notes the names in VALUE of databases whose settings stand in main.cf: "ldap:NAME". */
static void
gather_databases(struct check *k, struct str value)
{
	static const char *const types[] = {
	    "ldap", "mysql", "pgsql", "sqlite", "memcache", "mongodb"};
	struct str item;

	while (conf_list_next(&value, &item)) {
		size_t colon;

		if (str_starts(item, STR("proxy:")))
			item = str_from(item, 6);
		colon = str_chr(item, ':');
		if (colon == STR_NPOS || item.len == colon + 1)
			continue;
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			if (str_eq(str_sub(item, 0, colon), str_c(types[i])))
				(void)hash_put(k->databases, str_from(item, colon + 1), k);
	}
}

static void
gather_all_databases(struct check *k)
{
	const struct conf *c = k->l->c;
	size_t cursor = 0;
	struct str name;
	void *u;

	k->databases = hash_new();
	for (size_t p = 0; p < PARAM_COUNT; p++)
		if (c->set[p])
			gather_databases(k, c->value[p]);
	while (hash_next(c->user, &cursor, &name, &u))
		gather_databases(k, ((const struct conf_user *)u)->value);
}

/* Is PARAMETER a database's name, "_" and a setting? */
static bool
belongs_to_database(struct check *k, struct str parameter)
{
	if (!k->databases)
		gather_all_databases(k);
	for (size_t i = 1; i < parameter.len; i++)
		if (parameter.data[i] == '_' && hash_get(k->databases, str_sub(parameter, 0, i)))
			return true;
	return false;
}

static bool
is_service(const struct master_cf *master, struct str name)
{
	for (size_t i = 0; i < master->count; i++)
		if (str_eq(str_c(master->entries[i].name), name))
			return true;
	return false;
}

static void
check_family_member(struct check *k, const struct conf_user *u)
{
	const struct master_cf *master = master_of(k);
	struct str suffix = str_c(param_texts + u->family->suffix);
	struct str service = str_sub(u->setting.name, 0, u->setting.name.len - suffix.len);

	if (master->count > 0 && !is_service(master, service))
		conf_problem(k->l->problems, CONF_WARNING, u->setting.line ? k->l->c->file : NULL,
		    u->setting.line, "%.*s: there is no service \"%.*s\" in master.cf",
		    STR_ARG(u->setting.name), STR_ARG(service));
}

/* In Postfix's words, which people search for. */
static void
tell_unused(struct check *k, const struct conf_setting *s)
{
	struct str value = str_sub(s->raw, 0, 100);
	struct buf hint = {0};
	enum param similar;

	if (k->suggestions++ < SUGGESTIONS_MAX && param_suggest(s->name, &similar))
		buf_printf(&hint, " (did you mean \"%.*s\"?)", STR_ARG(param_name(similar)));
	conf_problem(k->l->problems, CONF_WARNING, s->line ? k->l->c->file : NULL, s->line,
	    "unused parameter: %.*s=%.*s%s", STR_ARG(s->name), STR_ARG(value), buf_cstr(&hint));
	buf_free(&hint);
}

static void
check_user(struct check *k, const struct conf_user *u)
{
	const struct conf_setting *s = &u->setting;

	if (u->referred)
		return;
	if (u->family) {
		check_family_member(k, u);
		return;
	}
	(void)master_of(k);
	if (u->referred || belongs_to_database(k, s->name))
		return;
	tell_unused(k, s);
}

/* "relayhost = [mx.example]  # our hub": the comment is part of the value. */
static void
check_comment(const struct check *k, const struct conf_setting *s)
{
	for (size_t i = 1; i < s->raw.len; i++) {
		if (s->raw.data[i] != '#' ||
		    (s->raw.data[i - 1] != ' ' && s->raw.data[i - 1] != '\t'))
			continue;
		problem_at(k, CONF_WARNING, s,
		    "\"#\" behind other text begins no comment: it is part of the value; "
		    "put the comment on a line of its own");
		return;
	}
	if (s->raw.len > 0 && s->raw.data[0] == '#')
		problem_at(k, CONF_WARNING, s,
		    "the value begins with \"#\"; put the comment on a line of its own");
}

/* Does a list of restrictions ask only for what smtpd does without it: open to mynetworks alone? */
static bool
restrictions_as_built_in(struct str list)
{
	static const char *const words[] = {"permit", "permit_mynetworks",
	    "permit_sasl_authenticated", "reject_unauth_destination", "defer_unauth_destination",
	    "reject_unlisted_recipient"};
	bool ours = false;
	struct str word;

	while (conf_list_next(&list, &word)) {
		bool known = false;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			known = known || str_eq(word, str_c(words[i]));
		if (str_eq(word, STR("permit_mynetworks")))
			ours = true;
		if (!known || (!ours && str_ends_nocase(word, STR("_unauth_destination"))))
			return false;
	}
	return true;
}

/* Does mail go another way, or is it let through, because P has no effect yet? */
static bool
is_missed(const struct check *k, enum param p)
{
	struct str value = k->l->c->value[p];

	if (param_infos[p].state != PARAM_STATE_MISSED || value.len == 0)
		return false;
	if (param_infos[p].type == PARAM_BOOL)
		return k->l->c->number[p] != 0;
	if (str_ends_nocase(param_name(p), STR("_restrictions")))
		return !restrictions_as_built_in(value);
	return !str_eq(value, param_default(p)) &&
	    !(p == P_smtpd_tls_security_level && str_eq(value, STR("none")));
}

static void
note_without_effect(const struct check *k, const struct conf_setting *s, enum param p)
{
	struct str text = param_explanation(p);

	if (is_missed(k, p))
		problem_at(k, CONF_MISSED, s,
		    "this parameter has no effect yet: mail is treated as if it were not set");
	else if (param_infos[p].state == PARAM_STATE_NONE)
		conf_problem(k->l->problems, CONF_NOTE, s->line ? k->l->c->file : NULL, s->line,
		    "%.*s has no purpose here: %.*s", STR_ARG(s->name), STR_ARG(text));
	else if (param_infos[p].state != PARAM_STATE_USED)
		problem_at(k, CONF_NOTE, s, "this parameter has no effect yet");
	else if (p == P_alias_maps && k->l->c->value[p].len > 0)
		problem_at(k, CONF_MISSED, s,
		    "aliases are not expanded yet: mail for a name that stands only there is "
		    "refused (550); without aliases: alias_maps =");
	else if (p == P_virtual_alias_maps && k->l->c->value[p].len > 0)
		problem_at(k, CONF_MISSED, s,
		    "virtual aliases are not expanded yet: mail for virtual_alias_domains waits, "
		    "and other mail goes to its recipients as they are");
}

static bool
is_name_char(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z');
}

static bool
is_known(const struct check *k, struct str name)
{
	size_t prefix;
	enum param p;

	return param_find(name, &p) || param_family(name, &prefix) || hash_get(k->l->c->user, name);
}

static void
tell_undefined(struct check *k, const struct conf_setting *s, struct str name)
{
	struct str hint = STR_EMPTY;
	enum param similar;

	if (k->suggestions++ < SUGGESTIONS_MAX && param_suggest(name, &similar))
		hint = param_name(similar);
	conf_problem(k->l->problems, CONF_WARNING, s->line ? k->l->c->file : NULL, s->line,
	    "%.*s: undefined parameter: $%.*s, which is empty%s%.*s", STR_ARG(s->name),
	    STR_ARG(name), hint.len > 0 ? "; did you mean $" : "", STR_ARG(hint));
}

/*
 * "$mydoman" is empty, and nobody says so. Not where the name is only asked for (${name?text}), nor in what is
 * expanded at use, whose names are its reader's.
 */
static void
check_names(struct check *k, const struct conf_setting *s, enum param p)
{
	if (param_infos[p].type == PARAM_RAW || param_infos[p].state != PARAM_STATE_USED)
		return;
	for (size_t i = 0; i + 1 < s->raw.len; i++) {
		size_t start = i + 1, end;
		char close = '\0';
		struct str name;

		if (s->raw.data[i] != '$')
			continue;
		if (s->raw.data[start] == '{' || s->raw.data[start] == '(')
			close = s->raw.data[start++] == '{' ? '}' : ')';
		for (end = start; end < s->raw.len && is_name_char(s->raw.data[end]);)
			end++;
		name = str_sub(s->raw, start, end - start);
		if (s->raw.data[i + 1] == '$')
			i++;
		if (name.len == 0 || is_known(k, name) ||
		    (close && (end == s->raw.len || s->raw.data[end] != close)))
			continue;
		tell_undefined(k, s, name);
	}
}

/* A problem of P, at the line that sets it if there is one. */
static void
problem_of(const struct check *k, enum conf_severity severity, enum param p, const char *text)
{
	struct conf_setting nowhere = {.name = param_name(p)};

	problem_at(k, severity, k->l->c->set[p] ? k->l->c->set[p] : &nowhere, text);
}

static void
check_network(const struct check *k)
{
	const struct str *value = k->l->c->value;

	if (value[P_inet_interfaces].len == 0)
		problem_of(k, CONF_ERROR, P_inet_interfaces,
		    "empty; for none but this machine: loopback-only");
	if (value[P_inet_protocols].len == 0)
		problem_of(
		    k, CONF_ERROR, P_inet_protocols, "empty; \"all\" takes what the machine has");
}

static void
check_limits(const struct check *k)
{
	const int64_t *number = k->l->c->number;
	int64_t message = number[P_message_size_limit], mailbox = number[P_mailbox_size_limit];

	if (mailbox > 0 && (message == 0 || message > mailbox) &&
	    !k->l->c->set[P_mailbox_size_limit])
		problem_of(k, CONF_ERROR, P_message_size_limit,
		    "larger than mailbox_size_limit, which has its default: the largest message "
		    "could never be delivered; set mailbox_size_limit too (0: no limit)");
	else if (mailbox > 0 && (message == 0 || message > mailbox))
		problem_of(k, CONF_ERROR, P_mailbox_size_limit,
		    "smaller than message_size_limit: the largest message could never be "
		    "delivered");
	if (number[P_queue_minfree] > 0 && number[P_queue_minfree] / 3 * 2 < message)
		problem_of(k, CONF_WARNING, P_queue_minfree,
		    "less than one and a half times message_size_limit: a large message may fill "
		    "the disk");
	if (number[P_minimal_backoff_time] > number[P_maximal_backoff_time])
		problem_of(
		    k, CONF_WARNING, P_minimal_backoff_time, "longer than maximal_backoff_time");
}

/* How much a result changes a destination's concurrency. What refers to another value is checked there. */
static void
check_step(const struct check *k, const struct conf_setting *s)
{
	struct str value = str_trim(s->raw);
	struct feedback_step step;

	if (!str_ends_nocase(s->name, STR("_positive_feedback")) &&
	    !str_ends_nocase(s->name, STR("_negative_feedback")))
		return;
	if (str_chr(value, '$') == STR_NPOS && !feedback_parse(value, &step))
		problem_at(k, CONF_WARNING, s,
		    "not a number from 0 to 1, with \"/concurrency\" or \"/sqrt_concurrency\" "
		    "behind it "
		    "or not: 1 is used");
}

static void
check_steps(const struct check *k)
{
	size_t cursor = 0;
	struct str name;
	void *u;

	/* Of the transports that everybody has, and of others. */
	for (size_t p = 0; p < PARAM_COUNT; p++)
		if (k->l->c->set[p])
			check_step(k, k->l->c->set[p]);
	while (hash_next(k->l->c->user, &cursor, &name, &u))
		if (((const struct conf_user *)u)->family)
			check_step(k, &((const struct conf_user *)u)->setting);
}

/* Directories that an old file takes from Postfix: its programs and spool are not ours. */
static void
check_directories(const struct check *k)
{
	static const enum param directories[] = {
	    P_queue_directory, P_daemon_directory, P_data_directory};

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		if (str_find(k->l->c->value[directories[i]], STR("/postfix")) != STR_NPOS)
			problem_of(k, CONF_WARNING, directories[i],
			    "this directory belongs to Postfix; without this line the right one is "
			    "taken");
}

void
conf_check(struct loader *l)
{
	struct check k = {.l = l};
	size_t cursor = 0;
	struct str name;
	void *u;

	mark_references(l->c);
	for (size_t p = 0; p < PARAM_COUNT; p++) {
		if (!l->c->set[p])
			continue;
		check_comment(&k, l->c->set[p]);
		check_names(&k, l->c->set[p], (enum param)p);
		note_without_effect(&k, l->c->set[p], (enum param)p);
	}
	while (hash_next(l->c->user, &cursor, &name, &u)) {
		check_comment(&k, &((const struct conf_user *)u)->setting);
		check_user(&k, u);
	}
	check_network(&k);
	check_limits(&k);
	check_steps(&k);
	check_directories(&k);
	master_cf_free(&k.master);
	hash_free(&k.databases, NULL);
}
