/*
 * settings - see settings.h
 */
#include "smtp/settings.h"

#include <stddef.h>

#include "smtp/features.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS 1000

/* One field: where it is, and the two parameters that it may come from. */
struct row {
	size_t at;
	enum param smtp, lmtp;
};
#define ROW(field, smtp, lmtp)                                                                     \
	{                                                                                          \
		offsetof(struct settings, field), smtp, lmtp                                       \
	}

static const struct row times[] = {
    ROW(connect_ms, P_smtp_connect_timeout, P_lmtp_connect_timeout),
    ROW(hello_ms, P_smtp_helo_timeout, P_lmtp_lhlo_timeout),
    ROW(mail_ms, P_smtp_mail_timeout, P_lmtp_mail_timeout),
    ROW(rcpt_ms, P_smtp_rcpt_timeout, P_lmtp_rcpt_timeout),
    ROW(data_init_ms, P_smtp_data_init_timeout, P_lmtp_data_init_timeout),
    ROW(data_xfer_ms, P_smtp_data_xfer_timeout, P_lmtp_data_xfer_timeout),
    ROW(data_done_ms, P_smtp_data_done_timeout, P_lmtp_data_done_timeout),
    ROW(quit_ms, P_smtp_quit_timeout, P_lmtp_quit_timeout),
    ROW(rset_ms, P_smtp_rset_timeout, P_lmtp_rset_timeout),
    ROW(xforward_ms, P_smtp_xforward_timeout, P_lmtp_xforward_timeout),
    ROW(starttls_ms, P_smtp_starttls_timeout, P_lmtp_starttls_timeout),
    ROW(cache_ms, P_smtp_connection_cache_time_limit, P_lmtp_connection_cache_time_limit),
    ROW(reuse_ms, P_smtp_connection_reuse_time_limit, P_lmtp_connection_reuse_time_limit),
    ROW(pix_delay_ms, P_smtp_pix_workaround_delay_time, P_lmtp_pix_workaround_delay_time),
};

static const struct row numbers[] = {
    ROW(line_max, P_smtp_line_length_limit, P_lmtp_line_length_limit),
    ROW(min_rate, P_smtp_min_data_rate, P_lmtp_min_data_rate),
    ROW(reuse_count, P_smtp_connection_reuse_count_limit, P_lmtp_connection_reuse_count_limit),
    ROW(session_limit, P_smtp_mx_session_limit, P_lmtp_mx_session_limit),
    ROW(address_limit, P_smtp_mx_address_limit, P_lmtp_mx_address_limit),
};

static const struct row switches[] = {
    ROW(quote, P_smtp_quote_rfc821_envelope, P_lmtp_quote_rfc821_envelope),
    ROW(skip_5xx, P_smtp_skip_5xx_greeting, P_lmtp_skip_5xx_greeting),
    ROW(skip_quit, P_smtp_skip_quit_response, P_lmtp_skip_quit_response),
    ROW(log_tls, P_smtp_log_tls_feature_status, P_lmtp_log_tls_feature_status),
    ROW(wrapper, P_smtp_tls_wrappermode, P_lmtp_tls_wrappermode),
    ROW(note_starttls, P_smtp_tls_note_starttls_offer, P_lmtp_tls_note_starttls_offer),
    ROW(force_tlsa, P_smtp_tls_force_insecure_host_tlsa_lookup,
	P_lmtp_tls_force_insecure_host_tlsa_lookup),
    ROW(auth_soft_bounce, P_smtp_sasl_auth_soft_bounce, P_lmtp_sasl_auth_soft_bounce),
    ROW(dummy_auth, P_smtp_send_dummy_mail_auth, P_lmtp_send_dummy_mail_auth),
    ROW(xforward, P_smtp_send_xforward_command, P_lmtp_send_xforward_command),
    ROW(request_deadline, P_smtp_per_request_deadline, P_lmtp_per_request_deadline),
    ROW(cache, P_smtp_connection_cache_on_demand, P_lmtp_connection_cache_on_demand),
    ROW(bind_enforce, P_smtp_bind_address_enforce, P_lmtp_bind_address_enforce),
};

static const struct row texts[] = {
    ROW(hello_name, P_smtp_helo_name, P_lmtp_lhlo_name),
    ROW(port, P_smtp_tcp_port, P_lmtp_tcp_port),
    ROW(fallback, P_smtp_fallback_relay, P_lmtp_fallback_relay),
    ROW(relayhost, P_relayhost, P_relayhost),
    ROW(bind4, P_smtp_bind_address, P_lmtp_bind_address),
    ROW(bind6, P_smtp_bind_address6, P_lmtp_bind_address6),
    ROW(pix_workarounds, P_smtp_pix_workarounds, P_lmtp_pix_workarounds),
};

static void *
field(struct settings *st, const struct row *row)
{
	return (char *)st + row->at;
}

static enum param
param(const struct settings *st, const struct row *row)
{
	return st->lmtp ? row->lmtp : row->smtp;
}

static void
read_rows(struct settings *st)
{
	for (size_t i = 0; i < COUNT(times); i++)
		*(int64_t *)field(st, &times[i]) = conf_time(st->conf, param(st, &times[i])) * MS;
	for (size_t i = 0; i < COUNT(numbers); i++)
		*(int64_t *)field(st, &numbers[i]) = conf_int(st->conf, param(st, &numbers[i]));
	for (size_t i = 0; i < COUNT(switches); i++)
		*(bool *)field(st, &switches[i]) = conf_bool(st->conf, param(st, &switches[i]));
	for (size_t i = 0; i < COUNT(texts); i++)
		*(struct str *)field(st, &texts[i]) = conf_str(st->conf, param(st, &texts[i]));
}

bool
settings_read(struct settings *st, const struct conf *conf, bool lmtp, struct buf *why)
{
	struct str discard;

	*st = (struct settings){.conf = conf, .lmtp = lmtp};
	read_rows(st);
	st->my_name = conf_str(conf, P_myhostname);
	st->final = lmtp && conf_bool(conf, P_lmtp_assume_final);
	st->skip_reused = !lmtp && conf_bool(conf, P_smtp_tlsrpt_skip_reused_handshakes);
	st->always_ehlo = lmtp || conf_bool(conf, P_smtp_always_send_ehlo);
	st->never_ehlo = !lmtp && conf_bool(conf, P_smtp_never_send_ehlo);
	st->pix_threshold = conf_time(conf,
	    lmtp ? P_lmtp_pix_workaround_threshold_time : P_smtp_pix_workaround_threshold_time);
	st->verify_data = str_eq(
	    conf_str(conf, lmtp ? P_lmtp_address_verify_target : P_smtp_address_verify_target),
	    STR("data"));
	st->filter_replies =
	    conf_str(conf, lmtp ? P_lmtp_reply_filter : P_smtp_reply_filter).len > 0;
	discard =
	    conf_str(conf, lmtp ? P_lmtp_discard_lhlo_keywords : P_smtp_discard_ehlo_keywords);
	if (!features_words(discard, &st->discard, why))
		return false;
	return true;
}
