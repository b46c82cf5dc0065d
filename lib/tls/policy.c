/*
 * policy - what one destination's connections must be like
 *
 * From main.cf, or from one value of a policy map over it. A policy is whole and was tried when it is
 * handed out: protocols, ciphers, names and digests can be used as they stand.
 */
#include <string.h>

#include "lib/conf/params.h"
#include "lib/tls/internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIST_SEPARATORS " \t\r\n,"
#define NAME_SEPARATORS " \t\r\n,:"
#define FINGERPRINT_SEPARATORS " \t\r\n,|"
/* A value of a map that is longer is no policy. */
#define VALUE_MAX 8192
/* The longest digest there is, in hexadecimal with colons. */
#define DIGEST_TEXT_MAX (EVP_MAX_MD_SIZE * 3)

static const char *const level_names[LEVELS] = {
    [TLS_NONE] = "none",
    [TLS_MAY] = "may",
    [TLS_ENCRYPT] = "encrypt",
    [TLS_DANE] = "dane",
    [TLS_DANE_ONLY] = "dane-only",
    [TLS_FINGERPRINT] = "fingerprint",
    [TLS_VERIFY] = "verify",
    [TLS_SECURE] = "secure",
};

/* What one value of a map says beside the level; unset texts have no data. */
struct attributes {
	struct str protocols, ciphers, exclude, servername, tafile;
	struct str matches[16];
	size_t n_matches;
	int connection_reuse, enable_rpk; /* -1: as main.cf says */
};

const char *
tls_level_name(enum tls_level level)
{
	return level_names[level];
}

bool
tls_level_parse(struct str name, enum tls_level *level)
{
	for (size_t i = 0; i < LEVELS; i++)
		if (str_eq_nocase(name, str_c(level_names[i]))) {
			*level = (enum tls_level)i;
			return true;
		}
	return false;
}

bool
tls_level_mandatory(enum tls_level level)
{
	return level >= TLS_ENCRYPT;
}

bool
tls_level_authenticates(enum tls_level level)
{
	return level >= TLS_DANE;
}

/* --- Names and digests -------------------------------------------------------------------------- */

static bool
good_fingerprint(const struct tls_client *c, struct str text)
{
	size_t digits = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == ':')
			continue;
		if (!text.data[i] || !strchr("0123456789abcdefABCDEF", text.data[i]))
			return false;
		digits++;
	}
	return !c->digest || digits == 2 * (size_t)EVP_MD_get_size(c->digest);
}

static bool
good_match(const struct tls_client *c, enum tls_level level, struct str item, struct buf *why)
{
	if (level != TLS_FINGERPRINT) {
		if (item.len <= 255 && memchr(item.data, '\0', item.len) == NULL)
			return true;
		buf_printf(why, "\"%.*s\" is no name of a server", STR_ARG(str_sub(item, 0, 40)));
		return false;
	}
	if (good_fingerprint(c, item))
		return true;
	buf_printf(why, "\"%.*s\" is no fingerprint of the digest %s",
	    STR_ARG(str_sub(item, 0, DIGEST_TEXT_MAX)),
	    c->digest ? EVP_MD_get0_name(c->digest) : "");
	return false;
}

/* The items of N lists in one array. */
static bool
set_matches(const struct tls_client *c, const struct str *lists, size_t n, struct arena *a,
    struct tls_policy *p, struct buf *why)
{
	const char *separators =
	    p->level == TLS_FINGERPRINT ? FINGERPRINT_SEPARATORS : NAME_SEPARATORS;
	struct str *items, item;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		for (struct str rest = lists[i]; str_token(&rest, separators, &item);)
			count++;
	items = arena_array(a, count + 1, sizeof(*items));
	count = 0;
	for (size_t i = 0; i < n; i++)
		for (struct str rest = lists[i]; str_token(&rest, separators, &item);) {
			if (!good_match(c, p->level, item, why))
				return false;
			items[count++] = item;
		}
	p->matches = items;
	p->n_matches = count;
	return true;
}

static bool
needs_matches(enum tls_level level)
{
	return level == TLS_FINGERPRINT || level == TLS_VERIFY || level == TLS_SECURE;
}

/* --- One level, whole ---------------------------------------------------------------------------- */

static enum tls_setting
matches_setting(enum tls_level level)
{
	return level == TLS_FINGERPRINT ? SET_FINGERPRINTS
	    : level == TLS_VERIFY       ? SET_VERIFY_MATCH
					: SET_SECURE_MATCH;
}

/* Puts the name of the parameter that a part of the policy comes from before the words. */
static void
name_source(const struct tls_client *c, enum tls_setting s, struct buf *why, size_t before)
{
	struct buf words = {0};

	buf_str(&words, str_from(buf_view(why), before));
	buf_truncate(why, before);
	buf_printf(
	    why, "%.*s: %.*s", STR_ARG(param_name(tls_param(c, s))), STR_ARG(buf_view(&words)));
	buf_free(&words);
}

static bool
fill_versions(const struct tls_client *c, const struct attributes *given, struct tls_policy *p,
    struct buf *why)
{
	enum tls_setting s =
	    tls_level_mandatory(p->level) ? SET_MANDATORY_PROTOCOLS : SET_PROTOCOLS;
	struct tls_versions v;
	size_t before = why->len;

	if (!tls_versions_parse(
		given->protocols.data ? given->protocols : tls_setting(c, s), &v, why)) {
		if (!given->protocols.data)
			name_source(c, s, why, before);
		return false;
	}
	p->tls_min = v.min;
	p->tls_max = v.max;
	p->tls_excluded = v.excluded;
	return true;
}

static bool
fill_ciphers(const struct tls_client *c, const struct attributes *given, struct arena *a,
    struct tls_policy *p, struct buf *why)
{
	bool mandatory = tls_level_mandatory(p->level);
	enum tls_setting s = mandatory ? SET_MANDATORY_CIPHERS : SET_CIPHERS;
	struct str grade = given->ciphers.data ? given->ciphers : tls_setting(c, s);
	struct str exclude[2] = {
	    tls_setting(c, SET_EXCLUDE), tls_setting(c, SET_MANDATORY_EXCLUDE)};
	static const enum tls_setting excludes[] = {SET_EXCLUDE, SET_MANDATORY_EXCLUDE};
	size_t n = mandatory ? 2 : 1, before = why->len, at;
	struct buf list = {0};
	bool ok;

	if (given->exclude.data) {
		exclude[0] = given->exclude;
		n = 1;
	}
	ok = tls_cipher_list(c, grade, p->level, exclude, n, &list, why, &at);
	if (ok)
		p->cipher_list = arena_str(a, buf_view(&list));
	else if (at == n && !given->ciphers.data)
		name_source(c, s, why, before);
	else if (at < n && !given->exclude.data)
		name_source(c, excludes[at], why, before);
	buf_free(&list);
	return ok;
}

static bool
fill_matches(const struct tls_client *c, const struct attributes *given, struct arena *a,
    struct tls_policy *p, struct buf *why)
{
	enum tls_setting s = matches_setting(p->level);
	struct str configured = tls_setting(c, s);
	size_t before = why->len;

	if (!needs_matches(p->level))
		return true;
	if (given->n_matches > 0)
		return set_matches(c, given->matches, given->n_matches, a, p, why);
	if (set_matches(c, &configured, 1, a, p, why))
		return true;
	name_source(c, s, why, before);
	return false;
}

static bool
fill_anchors(const struct tls_client *c, const struct attributes *given, struct tls_policy *p,
    struct buf *why)
{
	struct str path = given->tafile.data ? given->tafile : tls_setting(c, SET_ANCHORS);

	if (p->level != TLS_VERIFY && p->level != TLS_SECURE)
		return true;
	path = str_trim(path);
	if (path.len == 0)
		return true;
	p->anchors = hash_get(c->anchors, path);
	/* A file of main.cf that could not be read is a fault already, and stops everything. */
	if (p->anchors || (!given->tafile.data && c->fault.len > 0))
		return true;
	buf_printf(why, "the trust anchors of %.*s were not read at the start of the program",
	    STR_ARG(path));
	return false;
}

/* Everything of P for its level. */
static bool
fill(const struct tls_client *c, const struct attributes *given, struct arena *a,
    struct tls_policy *p, struct buf *why)
{
	const struct conf *conf = c->conf;

	p->connection_reuse = given->connection_reuse < 0 ? conf_bool(conf, tls_param(c, SET_REUSE))
							  : given->connection_reuse;
	p->enable_rpk =
	    given->enable_rpk < 0 ? conf_bool(conf, tls_param(c, SET_RPK)) : given->enable_rpk;
	p->servername =
	    given->servername.data ? given->servername : str_trim(tls_setting(c, SET_SERVERNAME));
	if (p->level == TLS_NONE)
		return true;
	return fill_versions(c, given, p, why) && fill_ciphers(c, given, a, p, why) &&
	    fill_matches(c, given, a, p, why) && fill_anchors(c, given, p, why);
}

/* Without records, or with useless ones, dane becomes something else: that is made now as well. */
static bool
fill_fallbacks(const struct tls_client *c, const struct attributes *given, struct arena *a,
    struct tls_policy *p, struct buf *why)
{
	struct tls_policy *instead;

	if (p->level != TLS_DANE)
		return true;
	instead = arena_array(a, 2, sizeof(*instead));
	instead[0].level = TLS_MAY;
	instead[1].level = TLS_ENCRYPT;
	p->instead = instead;
	return fill(c, given, a, &instead[0], why) && fill(c, given, a, &instead[1], why);
}

static const struct attributes nothing_given = {.connection_reuse = -1, .enable_rpk = -1};

/* WHY begins with the name of the parameter (name_source()), or is about the files of anchors. */
static void
settings_fault(struct tls_client *c, struct str why)
{
	size_t colon = str_find(why, STR(": "));
	enum param p = tls_param(c, SET_ANCHORS);

	if (colon != STR_NPOS && param_find(str_sub(why, 0, colon), &p))
		why = str_from(why, colon + 2);
	tls_fault(c, p, "%.*s", STR_ARG(why));
}

static void
load_policy(struct tls_client *c, enum tls_level level)
{
	struct tls_policy *p = &c->policies[level];
	struct buf why = {0};

	*p = (struct tls_policy){.level = level};
	if (!fill(c, &nothing_given, c->arena, p, &why) ||
	    !fill_fallbacks(c, &nothing_given, c->arena, p, &why))
		settings_fault(c, buf_view(&why));
	buf_free(&why);
}

void
tls_load_policies(struct tls_client *c)
{
	const struct tls_policy *p;

	for (enum tls_level level = TLS_NONE; level <= TLS_SECURE; level++)
		load_policy(c, level);
	/* Few destinations have TLSA records. */
	p = c->policies[c->level].instead ? c->policies[c->level].instead : &c->policies[c->level];
	if (c->fault.len == 0 && p->level != TLS_NONE &&
	    SSL_CTX_set_cipher_list(c->ctx, p->cipher_list.data) == 1)
		c->usual_ciphers = p->cipher_list;
}

void
tls_policy_default(const struct tls_client *c, struct tls_policy *p)
{
	*p = c->policies[c->level];
}

void
tls_policy_sts(const struct tls_client *c, struct tls_policy *p)
{
	static const struct str hostname[] = {{"hostname", 8}};

	*p = c->policies[TLS_VERIFY];
	p->matches = hostname;
	p->n_matches = 1;
	p->anchors = NULL;
	p->servername = STR("hostname");
	if (p->tls_min < VERSION_TLS12)
		p->tls_min = VERSION_TLS12;
}

void
tls_policy_audit(struct tls_policy *p, const struct tls_policy *audit)
{
	p->audit = audit;
}

/* --- A value of a policy map ---------------------------------------------------------------------- */

static bool
yes_or_no(struct str name, struct str value, int *out, struct buf *why)
{
	if (str_eq_nocase(value, STR("yes")) || str_eq_nocase(value, STR("no"))) {
		*out = str_eq_nocase(value, STR("yes"));
		return true;
	}
	buf_printf(why, "%.*s=%.*s: say yes or no", STR_ARG(name), STR_ARG(value));
	return false;
}

/* Attributes of plug-ins for MTA-STS, which say where the policy came from and change nothing. */
static bool
of_plugin(struct str name)
{
	return str_starts_nocase(name, STR("policy_")) ||
	    str_eq_nocase(name, STR("mx_host_pattern"));
}

static bool
add_match(struct str value, struct attributes *out, struct buf *why)
{
	if (out->n_matches == COUNT(out->matches)) {
		buf_printf(why, "more than %zu times match=", COUNT(out->matches));
		return false;
	}
	out->matches[out->n_matches++] = value;
	return true;
}

static bool
take_attribute(struct str name, struct str value, struct attributes *out, struct buf *why)
{
	const struct {
		const char *name;
		struct str *to;
	} texts[] = {
	    {"protocols", &out->protocols},
	    {"ciphers", &out->ciphers},
	    {"exclude", &out->exclude},
	    {"servername", &out->servername},
	    {"tafile", &out->tafile},
	};

	if (of_plugin(name))
		return true;
	if (value.len == 0 && !str_eq_nocase(name, STR("exclude"))) {
		buf_printf(why, "%.*s= without a value", STR_ARG(name));
		return false;
	}
	for (size_t i = 0; i < COUNT(texts); i++)
		if (str_eq_nocase(name, str_c(texts[i].name))) {
			*texts[i].to = value;
			return true;
		}
	if (str_eq_nocase(name, STR("match")))
		return add_match(value, out, why);
	if (str_eq_nocase(name, STR("connection_reuse")))
		return yes_or_no(name, value, &out->connection_reuse, why);
	if (str_eq_nocase(name, STR("enable_rpk")))
		return yes_or_no(name, value, &out->enable_rpk, why);
	buf_printf(why,
	    "\"%.*s\" is no attribute of a policy; there are match, protocols, ciphers, exclude, "
	    "tafile, servername, connection_reuse and enable_rpk",
	    STR_ARG(name));
	return false;
}

/* Takes "name=value" or "{ name = value }" off *REST. */
static bool
next_attribute(struct str *rest, struct str *name, struct str *value, struct buf *why)
{
	struct str item;
	size_t equals;

	if (!conf_list_next(rest, &item))
		return false;
	equals = str_chr(item, '=');
	if (equals == STR_NPOS || equals == 0) {
		buf_printf(why, "\"%.*s\": attributes are written name=value", STR_ARG(item));
		return false;
	}
	*name = str_trim(str_sub(item, 0, equals));
	*value = str_trim(str_from(item, equals + 1));
	return true;
}

/* Words of other times, and what to write instead. */
static void
unknown_level(struct str word, struct buf *why)
{
	static const struct {
		const char *word, *instead;
	} old[] = {
	    {"MUST", "verify"},
	    {"MUST_NOPEERMATCH", "encrypt"},
	    {"half-dane", "dane"},
	    {"invalid", "a level"},
	};

	buf_printf(why, "\"%.*s\" is no TLS level", STR_ARG(str_sub(word, 0, 40)));
	for (size_t i = 0; i < COUNT(old); i++)
		if (str_eq_nocase(word, str_c(old[i].word))) {
			buf_printf(why, "; write %s", old[i].instead);
			return;
		}
	buf_puts(
	    why, "; there are none, may, encrypt, dane, dane-only, fingerprint, verify and secure");
}

static bool
parse(struct str value, enum tls_level *level, struct attributes *out, struct buf *why)
{
	struct str rest = value, word, name;
	size_t before = why->len;

	*out = nothing_given;
	if (value.len > VALUE_MAX || memchr(value.data, '\0', value.len)) {
		buf_puts(why, "the value is no policy");
		return false;
	}
	if (!str_token(&rest, LIST_SEPARATORS, &word)) {
		buf_puts(why, "an empty policy; write a level");
		return false;
	}
	if (!tls_level_parse(word, level)) {
		unknown_level(word, why);
		return false;
	}
	while (next_attribute(&rest, &name, &value, why))
		if (!take_attribute(name, value, out, why))
			return false;
	return why->len == before;
}

/* Attributes that the level has no use for are a mistake that must not pass for protection. */
static bool
fits(enum tls_level level, const struct attributes *given, struct buf *why)
{
	if (given->n_matches > 0 && !needs_matches(level) && level != TLS_NONE) {
		buf_printf(why,
		    "match= has no meaning at the level %s, which does not compare names: use "
		    "verify, secure or fingerprint",
		    tls_level_name(level));
		return false;
	}
	if (given->tafile.data && level != TLS_VERIFY && level != TLS_SECURE && level != TLS_NONE) {
		buf_printf(why, "tafile= has no meaning at the level %s: use verify or secure",
		    tls_level_name(level));
		return false;
	}
	return true;
}

bool
tls_policy_parse(const struct tls_client *c, struct str value, struct arena *a,
    struct tls_policy *p, struct buf *why)
{
	struct attributes given;
	enum tls_level level;

	*p = (struct tls_policy){0};
	/* Views of the policy outlive the caller's text. */
	value = arena_str(a, value);
	if (!parse(value, &level, &given, why) || !fits(level, &given, why))
		return false;
	p->level = level;
	return fill(c, &given, a, p, why) && fill_fallbacks(c, &given, a, p, why);
}

void
tls_client_preload(struct tls_client *c, struct str value)
{
	struct attributes given;
	struct buf why = {0};
	enum tls_level level;

	if (parse(value, &level, &given, &why) && given.tafile.data)
		tls_client_load_anchors(c, given.tafile, &why);
	buf_free(&why);
}
