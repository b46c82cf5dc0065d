/*
 * server - the settings of main.cf that sessions obey, read once
 */
#include "smtpd/server.h"

#include <string.h>

#include "lib/base/log.h"
#include "smtpd/trouble.h"

#define MS 1000

/*
 * How long DATA waits for qmgr before the client hears 451: long enough for a restart of qmgr, well
 * below the two minutes that clients wait for the answer to DATA (RFC 5321 section 4.5.3.2.4).
 */
#define BEGIN_TIMEOUT_MS 20000

static const struct {
	const char *name;
	enum ehlo_keyword bit;
} ehlo_names[] = {
    {"PIPELINING", EHLO_PIPELINING},
    {"SIZE", EHLO_SIZE},
    {"VRFY", EHLO_VRFY},
    {"ETRN", EHLO_ETRN},
    {"ENHANCEDSTATUSCODES", EHLO_ENHANCEDSTATUSCODES},
    {"8BITMIME", EHLO_8BITMIME},
    {"DSN", EHLO_DSN},
    {"SMTPUTF8", EHLO_SMTPUTF8},
    {"CHUNKING", EHLO_CHUNKING},
    {"XVERP", EHLO_XVERP},
};

static enum newline_policy
newline_policy_of(struct str value)
{
	if (str_eq_nocase(value, STR("no")))
		return NEWLINE_ALLOW;
	if (str_eq_nocase(value, STR("note")))
		return NEWLINE_NOTE;
	if (str_eq_nocase(value, STR("reject")))
		return NEWLINE_REJECT;
	return NEWLINE_NORMALIZE; /* "normalize", "yes" */
}

/* What is offered: everything this server has, without smtpd_discard_ehlo_keywords. */
static unsigned
offered_keywords(const struct conf *conf)
{
	unsigned offered = EHLO_PIPELINING | EHLO_SIZE | EHLO_ETRN | EHLO_ENHANCEDSTATUSCODES |
	    EHLO_8BITMIME | EHLO_DSN | EHLO_CHUNKING | EHLO_XVERP;
	struct str rest = conf_str(conf, P_smtpd_discard_ehlo_keywords), item;

	if (!conf_bool(conf, P_disable_vrfy_command))
		offered |= EHLO_VRFY;
	if (conf_bool(conf, P_smtputf8_enable))
		offered |= EHLO_SMTPUTF8;
	while (conf_list_next(&rest, &item))
		for (size_t i = 0; i < sizeof(ehlo_names) / sizeof(ehlo_names[0]); i++)
			if (str_eq_nocase(item, str_c(ehlo_names[i].name)))
				offered &= ~(unsigned)ehlo_names[i].bit;
	return offered;
}

static void
read_limits(struct settings *st, const struct conf *conf)
{
	st->timeout_ms = conf_time(conf, P_smtpd_timeout) * MS;
	st->session_timeout_ms = conf_time(conf, P_smtpd_session_timeout) * MS;
	st->begin_timeout_ms = BEGIN_TIMEOUT_MS;
	st->error_sleep_ms = conf_time(conf, P_smtpd_error_sleep_time) * MS;
	st->min_rate = (uint64_t)conf_int(conf, P_smtpd_minimum_rate);
	st->message_max = (uint64_t)conf_int(conf, P_message_size_limit);
	st->line_max = (size_t)conf_int(conf, P_line_length_limit);
	st->soft_errors = (unsigned)conf_int(conf, P_smtpd_soft_error_limit);
	st->hard_errors = (unsigned)conf_int(conf, P_smtpd_hard_error_limit);
	st->junk_max = (unsigned)conf_int(conf, P_smtpd_junk_command_limit);
	st->rcpt_max = (unsigned)conf_int(conf, P_smtpd_recipient_limit);
	st->rcpt_overshoot = (unsigned)conf_int(conf, P_smtpd_recipient_overshoot_limit);
	st->duplicates_max = (unsigned)conf_int(conf, P_duplicate_filter_limit);
	st->connections_max = (unsigned)conf_int(conf, P_smtpd_client_connection_count_limit);
	st->connection_rate = (unsigned)conf_int(conf, P_smtpd_client_connection_rate_limit);
	st->message_rate = (unsigned)conf_int(conf, P_smtpd_client_message_rate_limit);
	st->recipient_rate = (unsigned)conf_int(conf, P_smtpd_client_recipient_rate_limit);
	st->prefix4 = (unsigned)conf_int(conf, P_smtpd_client_ipv4_prefix_length);
	st->prefix6 = (unsigned)conf_int(conf, P_smtpd_client_ipv6_prefix_length);
}

static void
read_settings(struct settings *st, const struct conf *conf)
{
	read_limits(st, conf);
	st->newlines = newline_policy_of(conf_str(conf, P_smtpd_forbid_bare_newline));
	st->newline_code = (int)conf_int(conf, P_smtpd_forbid_bare_newline_reject_code);
	st->offered = offered_keywords(conf);
	st->notify = trouble_wanted(conf);
	st->verp_default = conf_str(conf, P_default_verp_delimiters);
	st->verp_filter = conf_str(conf, P_verp_delimiter_filter);
	st->helo_required = conf_bool(conf, P_smtpd_helo_required);
	st->strict_envelopes = conf_bool(conf, P_strict_rfc821_envelopes);
	st->disable_vrfy = conf_bool(conf, P_disable_vrfy_command);
	st->soft_bounce = conf_bool(conf, P_soft_bounce);
	st->forbid_pipelining = conf_bool(conf, P_smtpd_forbid_unauth_pipelining);
	st->smtputf8 = conf_bool(conf, P_smtputf8_enable);
	st->strict_smtputf8 = conf_bool(conf, P_strict_smtputf8);
	st->port_logging = conf_bool(conf, P_smtpd_client_port_logging);
}

void
server_init(struct server *server, const struct conf *conf)
{
	memset(server, 0, sizeof(*server));
	server->conf = conf;
	server->myhostname = conf_str(conf, P_myhostname);
	read_settings(&server->calm, conf);
	server->settings = server->stressed = server->calm;
}

void
server_init_stress(struct server *server, const struct conf *conf, size_t limit)
{
	read_settings(&server->stressed, conf);
	server->stress_at = limit > 4 ? limit * 4 / 5 : limit;
}

void
server_enter(struct server *server)
{
	server->sessions++;
	if (server->sessions != server->stress_at || server->under_stress)
		return;
	server->under_stress = true;
	server->settings = server->stressed;
	log_warning("%zu sessions: the settings for stress hold (smtpd_timeout, "
		    "smtpd_hard_error_limit and others)",
	    server->sessions);
}

void
server_leave(struct server *server)
{
	server->sessions--;
	if (!server->under_stress || server->sessions > server->stress_at * 3 / 4)
		return;
	server->under_stress = false;
	server->settings = server->calm;
	log_info("%zu sessions: the settings for stress hold no more", server->sessions);
}
