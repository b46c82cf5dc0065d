/*
 * settings - what the configuration says, for SMTP or for LMTP
 *
 * Each parameter exists twice, as smtp_x and lmtp_x. Which one counts follows from the program's name and is
 * decided once, here; nobody else asks for a parameter of these.
 */
#ifndef POSTKEEP_SMTP_CLIENT_SETTINGS_H
#define POSTKEEP_SMTP_CLIENT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/conf/conf.h"

struct outgoing_rules;

struct settings {
	const struct conf *conf;
	bool lmtp;
	struct str hello_name; /* smtp_helo_name, lmtp_lhlo_name */
	struct str my_name;    /* myhostname */
	struct str port;       /* smtp_tcp_port: a number or a name */
	bool always_ehlo, never_ehlo;
	bool quote;    /* smtp_quote_rfc821_envelope */
	bool skip_5xx; /* smtp_skip_5xx_greeting */
	bool skip_quit;
	bool final; /* lmtp_assume_final: what the server has taken is delivered, not relayed */
	bool xforward;
	bool wrapper;          /* smtp_tls_wrappermode */
	bool note_starttls;    /* smtp_tls_note_starttls_offer */
	bool force_tlsa;       /* smtp_tls_force_insecure_host_tlsa_lookup */
	bool auth_soft_bounce; /* smtp_sasl_auth_soft_bounce */
	bool log_tls;          /* smtp_log_tls_feature_status */
	bool skip_reused;      /* smtp_tlsrpt_skip_reused_handshakes */
	bool dummy_auth;       /* smtp_send_dummy_mail_auth */
	bool verify_data;      /* smtp_address_verify_target = data */
	int64_t line_max;
	unsigned discard; /* enum feature bits that are overlooked */

	/* Milliseconds; 0 = no limit of ours. */
	int64_t connect_ms, hello_ms, mail_ms, rcpt_ms, data_init_ms, data_xfer_ms, data_done_ms;
	int64_t quit_ms, rset_ms, xforward_ms, starttls_ms;
	bool request_deadline; /* they are for a whole request, not for each read or write */
	int64_t min_rate;      /* bytes per second, then */

	bool cache;                 /* smtp_connection_cache_on_demand */
	int64_t cache_ms, reuse_ms; /* idle; since the connection was made */
	int64_t reuse_count;        /* 0: no limit */

	int64_t session_limit, address_limit; /* per delivery; 0: no limit */
	struct str fallback, relayhost;       /* lists of next hops */
	struct str bind4, bind6;
	bool bind_enforce;

	struct str pix_workarounds;
	int64_t pix_delay_ms, pix_threshold;
	bool filter_replies; /* smtp_reply_filter is set: RULES has it */
	const struct outgoing_rules *rules;
};

/* False with WHY: a value that makes no sense. CONF must outlive it. */
bool settings_read(struct settings *st, const struct conf *conf, bool lmtp, struct buf *why);

#endif
