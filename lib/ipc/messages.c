/*
 * messages - the tables of every message, and the list of attributes
 *
 * A number behind a field is the most it may hold (largest value, bytes, elements; 0 = any value).
 * Type numbers are never used again for another message: a peer of another version is refused by the
 * hello, but a mistake there must not turn one order into another.
 */
#include <stddef.h>

#include "lib/ipc/messages.h"

#define MSG_ATTR_NAME_MAX 64
#define ATTRS_MAX 32
#define ORCPT_MAX 1200     /* an address with its type, "rfc822;…" */
#define ENVID_MAX 100      /* RFC 3461 section 4.4 */
#define NOTIFY_MAX 15      /* all bits of enum dsn_notify */
#define CODE_MAX 599       /* SMTP replies */
#define DSN_MAX 16         /* "5.123.123" and to spare */
#define VERP_MAX 2         /* delimiters */
#define WORD_MAX 32        /* a state, an action */
#define HOST_MAX 400       /* "host[address]:port", "dns; host" */
#define NEXTHOP_MAX 1100   /* a host, or what transport_maps says */
#define NAME_MAX_BYTES 64  /* a service */
#define INDEX_MAX 10000000 /* of a recipient in its message */
#define WINDOW_MAX 64      /* deliveries at once on one channel */
#define SPEC_MAX 1024      /* "type:name" */
#define PARAM_MAX 128
#define KEY_MAX 1100
#define VALUE_MAX 32000 /* a right hand side */
#define LOOKUP_ERROR 2  /* the last of enum table_status */
#define FULL_NAME_MAX 200
#define ADDRESS_TEXT_MAX 64 /* "2001:db8::1" */
#define EXIT_MAX 255

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The schemas of a list's element and of a message, from its table of fields. */
#define PART(part, struct_type)                                                                    \
	static const struct ipc_schema part##_schema = {.name = #part,                             \
	    .size = sizeof(struct_type),                                                           \
	    .fields = part##_fields,                                                               \
	    .n_fields = COUNT(part##_fields)}
#define MESSAGE(message, number)                                                                   \
	const struct ipc_schema msg_##message = {.name = #message,                                 \
	    .type = (number),                                                                      \
	    .size = sizeof(struct msg_##message),                                                  \
	    .fields = message##_fields,                                                            \
	    .n_fields = COUNT(message##_fields)}

static const struct ipc_field attr_fields[] = {
    IPC_FIELD(struct msg_attr, name, IPC_STR, MSG_ATTR_NAME_MAX),
    IPC_FIELD(struct msg_attr, value, IPC_STR, MSG_ATTR_MAX),
};
PART(attr, struct msg_attr);

static const struct ipc_field rcpt_fields[] = {
    IPC_FIELD(struct msg_rcpt, address, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_rcpt, orig, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_rcpt, orcpt, IPC_STR, ORCPT_MAX),
    IPC_FIELD(struct msg_rcpt, notify, IPC_U64, NOTIFY_MAX),
};
PART(rcpt, struct msg_rcpt);

static const struct ipc_field deliver_rcpt_fields[] = {
    IPC_FIELD(struct msg_deliver_rcpt, index, IPC_U64, INDEX_MAX),
    IPC_FIELD(struct msg_deliver_rcpt, address, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_deliver_rcpt, orig, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_deliver_rcpt, orcpt, IPC_STR, ORCPT_MAX),
    IPC_FIELD(struct msg_deliver_rcpt, notify, IPC_U64, NOTIFY_MAX),
    IPC_FIELD(struct msg_deliver_rcpt, ticket, IPC_STR, MSG_TICKET_SIZE),
};
PART(deliver_rcpt, struct msg_deliver_rcpt);

static const struct ipc_field notice_rcpt_fields[] = {
    IPC_FIELD(struct msg_notice_rcpt, address, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_notice_rcpt, orig, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_notice_rcpt, orcpt, IPC_STR, ORCPT_MAX),
    IPC_FIELD(struct msg_notice_rcpt, notify, IPC_U64, NOTIFY_MAX),
    IPC_FIELD(struct msg_notice_rcpt, status, IPC_U64, DELIVERY_STATUSES - 1),
    IPC_FIELD(struct msg_notice_rcpt, action, IPC_STR, WORD_MAX),
    IPC_FIELD(struct msg_notice_rcpt, dsn, IPC_STR, DSN_MAX),
    IPC_FIELD(struct msg_notice_rcpt, text, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_notice_rcpt, diagnostic, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_notice_rcpt, remote_mta, IPC_STR, HOST_MAX),
};
PART(notice_rcpt, struct msg_notice_rcpt);

static const struct ipc_field showq_rcpt_fields[] = {
    IPC_FIELD(struct msg_showq_rcpt, address, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_showq_rcpt, reason, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_showq_rcpt, dsn, IPC_STR, DSN_MAX),
    IPC_FIELD(struct msg_showq_rcpt, fate, IPC_U64, SHOWQ_FATES - 1),
    IPC_FIELD(struct msg_showq_rcpt, transport, IPC_STR, NAME_MAX_BYTES),
    IPC_FIELD(struct msg_showq_rcpt, nexthop, IPC_STR, NEXTHOP_MAX),
};
PART(showq_rcpt, struct msg_showq_rcpt);

/* ---- Submission ---- */

static const struct ipc_field submit_begin_fields[] = {
    IPC_FIELD(struct msg_submit_begin, size, IPC_U64, 0),
};
MESSAGE(submit_begin, 1);

static const struct ipc_field submit_id_fields[] = {
    IPC_FIELD(struct msg_submit_id, id, IPC_STR, MSG_ID_MAX),
};
MESSAGE(submit_id, 2);

static const struct ipc_field submit_no_fields[] = {
    IPC_FIELD(struct msg_submit_no, code, IPC_U64, CODE_MAX),
    IPC_FIELD(struct msg_submit_no, dsn, IPC_STR, DSN_MAX),
    IPC_FIELD(struct msg_submit_no, text, IPC_STR, MSG_TEXT_MAX),
};
MESSAGE(submit_no, 3);

static const struct ipc_field submit_envelope_fields[] = {
    IPC_FIELD(struct msg_submit_envelope, sender, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_submit_envelope, ret, IPC_U64, DSN_RET_HDRS),
    IPC_FIELD(struct msg_submit_envelope, envid, IPC_STR, ENVID_MAX),
    IPC_FIELD(struct msg_submit_envelope, smtputf8, IPC_BOOL, 0),
    IPC_FIELD(struct msg_submit_envelope, body_8bit, IPC_BOOL, 0),
    IPC_FIELD(struct msg_submit_envelope, verify_only, IPC_BOOL, 0),
    IPC_FIELD(struct msg_submit_envelope, verbose, IPC_BOOL, 0),
    IPC_FIELD(struct msg_submit_envelope, hold, IPC_BOOL, 0),
    IPC_FIELD_LIST(struct msg_submit_envelope, attrs, &attr_schema, ATTRS_MAX),
};
MESSAGE(submit_envelope, 4);

static const struct ipc_field submit_rcpts_fields[] = {
    IPC_FIELD_LIST(struct msg_submit_rcpts, rcpts, &rcpt_schema, MSG_RCPT_PER_FRAME),
};
MESSAGE(submit_rcpts, 5);

static const struct ipc_field submit_commit_fields[] = {
    IPC_FIELD(struct msg_submit_commit, size, IPC_U64, 0),
};
MESSAGE(submit_commit, 6);

static const struct ipc_field submit_cancel_fields[] = {
    IPC_FIELD(struct msg_submit_cancel, reserved, IPC_U64, 0),
};
MESSAGE(submit_cancel, 7);

static const struct ipc_field submit_ok_fields[] = {
    IPC_FIELD(struct msg_submit_ok, id, IPC_STR, MSG_ID_MAX),
};
MESSAGE(submit_ok, 8);

/* ---- Delivery ---- */

static const struct ipc_field agent_open_fields[] = {
    IPC_FIELD(struct msg_agent_open, recipient, IPC_STR, MSG_ADDRESS_MAX),
};
MESSAGE(agent_open, 16);

static const struct ipc_field agent_ready_fields[] = {
    IPC_FIELD(struct msg_agent_ready, window, IPC_U64, WINDOW_MAX),
};
MESSAGE(agent_ready, 17);

static const struct ipc_field agent_no_fields[] = {
    IPC_FIELD(struct msg_agent_no, dsn, IPC_STR, DSN_MAX),
    IPC_FIELD(struct msg_agent_no, text, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_agent_no, busy, IPC_BOOL, 0),
};
MESSAGE(agent_no, 18);

static const struct ipc_field deliver_fields[] = {
    IPC_FIELD(struct msg_deliver, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_deliver, attempt, IPC_U64, 0),
    IPC_FIELD(struct msg_deliver, nexthop, IPC_STR, NEXTHOP_MAX),
    IPC_FIELD(struct msg_deliver, sender, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_deliver, size, IPC_U64, 0),
    IPC_FIELD(struct msg_deliver, arrival_us, IPC_I64, 0),
    IPC_FIELD(struct msg_deliver, smtputf8, IPC_BOOL, 0),
    IPC_FIELD(struct msg_deliver, body_8bit, IPC_BOOL, 0),
    IPC_FIELD(struct msg_deliver, header_has_8bit, IPC_BOOL, 0),
    IPC_FIELD(struct msg_deliver, body_has_8bit, IPC_BOOL, 0),
    IPC_FIELD(struct msg_deliver, probe, IPC_BOOL, 0),
    IPC_FIELD(struct msg_deliver, tell_connected, IPC_BOOL, 0),
    IPC_FIELD(struct msg_deliver, ret, IPC_U64, DSN_RET_HDRS),
    IPC_FIELD(struct msg_deliver, envid, IPC_STR, ENVID_MAX),
    IPC_FIELD_LIST(struct msg_deliver, attrs, &attr_schema, ATTRS_MAX),
    IPC_FIELD_LIST(struct msg_deliver, rcpts, &deliver_rcpt_schema, MSG_RCPT_PER_FRAME),
};
MESSAGE(deliver, 19);

static const struct ipc_field result_fields[] = {
    IPC_FIELD(struct msg_result, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_result, attempt, IPC_U64, 0),
    IPC_FIELD(struct msg_result, index, IPC_U64, INDEX_MAX),
    IPC_FIELD(struct msg_result, status, IPC_U64, DELIVERY_STATUSES - 1),
    IPC_FIELD(struct msg_result, dsn, IPC_STR, DSN_MAX),
    IPC_FIELD(struct msg_result, text, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_result, relay, IPC_STR, HOST_MAX),
    IPC_FIELD(struct msg_result, diagnostic, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_result, remote_mta, IPC_STR, HOST_MAX),
    IPC_FIELD(struct msg_result, connect_us, IPC_I64, 0),
    IPC_FIELD(struct msg_result, transmit_us, IPC_I64, 0),
    IPC_FIELD(struct msg_result, unreachable, IPC_BOOL, 0),
    IPC_FIELD(struct msg_result, dsn_passed, IPC_BOOL, 0),
    IPC_FIELD(struct msg_result, conn_use, IPC_U64, 0),
    IPC_FIELD(struct msg_result, own_mx, IPC_BOOL, 0),
    IPC_FIELD(struct msg_result, tls, IPC_STR, WORD_MAX),
};
MESSAGE(result, 20);

static const struct ipc_field report_fields[] = {
    IPC_FIELD(struct msg_report, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_report, index, IPC_U64, INDEX_MAX),
    IPC_FIELD(struct msg_report, ticket, IPC_STR, MSG_TICKET_SIZE),
    IPC_FIELD(struct msg_report, dsn, IPC_STR, DSN_MAX),
    IPC_FIELD(struct msg_report, text, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_report, relay, IPC_STR, HOST_MAX),
    IPC_FIELD(struct msg_report, remote_mta, IPC_STR, HOST_MAX),
    IPC_FIELD(struct msg_report, dsn_passed, IPC_BOOL, 0),
};
MESSAGE(report, 24);

static const struct ipc_field report_ok_fields[] = {
    IPC_FIELD(struct msg_report_ok, reserved, IPC_U64, 0),
};
MESSAGE(report_ok, 21);

static const struct ipc_field agent_connected_fields[] = {
    IPC_FIELD(struct msg_agent_connected, attempt, IPC_U64, 0),
};
MESSAGE(agent_connected, 23);

static const struct ipc_field agent_again_fields[] = {
    IPC_FIELD(struct msg_agent_again, attempt, IPC_U64, 0),
};
MESSAGE(agent_again, 25);

static const struct ipc_field agent_close_fields[] = {
    IPC_FIELD(struct msg_agent_close, reserved, IPC_U64, 0),
};
MESSAGE(agent_close, 22);

/* ---- Notices ---- */

static const struct ipc_field notice_fields[] = {
    IPC_FIELD(struct msg_notice, kind, IPC_U64, NOTICE_KINDS - 1),
    IPC_FIELD(struct msg_notice, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_notice, sender, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_notice, class, IPC_STR, WORD_MAX),
    IPC_FIELD(struct msg_notice, double_bounce, IPC_BOOL, 0),
    IPC_FIELD(struct msg_notice, ret, IPC_U64, DSN_RET_HDRS),
    IPC_FIELD(struct msg_notice, envid, IPC_STR, ENVID_MAX),
    IPC_FIELD(struct msg_notice, smtputf8, IPC_BOOL, 0),
    IPC_FIELD(struct msg_notice, body_8bit, IPC_BOOL, 0),
    IPC_FIELD(struct msg_notice, arrival_us, IPC_I64, 0),
    IPC_FIELD(struct msg_notice, expire_at, IPC_I64, 0),
    IPC_FIELD(struct msg_notice, size, IPC_U64, 0),
    IPC_FIELD(struct msg_notice, full_size, IPC_U64, 0),
    IPC_FIELD_LIST(struct msg_notice, attrs, &attr_schema, ATTRS_MAX),
    IPC_FIELD_LIST(struct msg_notice, rcpts, &notice_rcpt_schema, MSG_RCPT_PER_FRAME),
};
MESSAGE(notice, 32);

static const struct ipc_field notice_done_fields[] = {
    IPC_FIELD(struct msg_notice_done, accepted, IPC_BOOL, 0),
    IPC_FIELD(struct msg_notice_done, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_notice_done, why, IPC_STR, MSG_TEXT_MAX),
};
MESSAGE(notice_done, 33);

/* ---- Administration ---- */

static const struct ipc_field admin_fields[] = {
    IPC_FIELD(struct msg_admin, verb, IPC_U64, ADMIN_VERBS - 1),
    IPC_FIELD(struct msg_admin, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_admin, state, IPC_STR, WORD_MAX),
};
MESSAGE(admin, 48);

static const struct ipc_field admin_done_fields[] = {
    IPC_FIELD(struct msg_admin_done, count, IPC_U64, 0),
    IPC_FIELD(struct msg_admin_done, missing, IPC_BOOL, 0),
    IPC_FIELD(struct msg_admin_done, why, IPC_STR, MSG_TEXT_MAX),
};
MESSAGE(admin_done, 49);

static const struct ipc_field admin_cat_fields[] = {
    IPC_FIELD(struct msg_admin_cat, id, IPC_STR, MSG_ID_MAX),
};
MESSAGE(admin_cat, 50);

static const struct ipc_field admin_slot_fields[] = {
    IPC_FIELD(struct msg_admin_slot, found, IPC_BOOL, 0),
    IPC_FIELD(struct msg_admin_slot, size, IPC_U64, 0),
    IPC_FIELD(struct msg_admin_slot, text_size, IPC_U64, 0),
    IPC_FIELD(struct msg_admin_slot, why, IPC_STR, MSG_TEXT_MAX),
};
MESSAGE(admin_slot, 51);

static const struct ipc_field flush_fields[] = {
    IPC_FIELD(struct msg_flush, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_flush, site, IPC_STR, NEXTHOP_MAX),
    IPC_FIELD(struct msg_flush, sender, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_flush, recipient, IPC_STR, MSG_ADDRESS_MAX),
};
MESSAGE(flush, 52);

static const struct ipc_field showq_ask_fields[] = {
    IPC_FIELD(struct msg_showq_ask, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_showq_ask, routes, IPC_BOOL, 0),
};
MESSAGE(showq_ask, 53);

static const struct ipc_field showq_entry_fields[] = {
    IPC_FIELD(struct msg_showq_entry, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_showq_entry, state, IPC_STR, WORD_MAX),
    IPC_FIELD(struct msg_showq_entry, arrival, IPC_I64, 0),
    IPC_FIELD(struct msg_showq_entry, size, IPC_U64, 0),
    IPC_FIELD(struct msg_showq_entry, sender, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_showq_entry, next, IPC_I64, 0),
    IPC_FIELD(struct msg_showq_entry, forced_expire, IPC_BOOL, 0),
    IPC_FIELD(struct msg_showq_entry, expires, IPC_I64, 0),
    IPC_FIELD(struct msg_showq_entry, tries, IPC_U64, 0),
    IPC_FIELD(struct msg_showq_entry, origin, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_showq_entry, more, IPC_BOOL, 0),
    IPC_FIELD_LIST(struct msg_showq_entry, rcpts, &showq_rcpt_schema, MSG_RCPT_PER_FRAME),
};
MESSAGE(showq_entry, 54);

static const struct ipc_field showq_end_fields[] = {
    IPC_FIELD(struct msg_showq_end, count, IPC_U64, 0),
    IPC_FIELD(struct msg_showq_end, bytes, IPC_U64, 0),
    IPC_FIELD(struct msg_showq_end, hidden, IPC_BOOL, 0),
};
MESSAGE(showq_end, 55);

/* ---- Helpers ---- */

static const struct ipc_field lookup_fields[] = {
    IPC_FIELD(struct msg_lookup, table, IPC_STR, SPEC_MAX),
    IPC_FIELD(struct msg_lookup, param, IPC_STR, PARAM_MAX),
    IPC_FIELD(struct msg_lookup, key, IPC_STR, KEY_MAX),
};
MESSAGE(lookup, 64);

static const struct ipc_field lookup_answer_fields[] = {
    IPC_FIELD(struct msg_lookup_answer, status, IPC_U64, LOOKUP_ERROR),
    IPC_FIELD(struct msg_lookup_answer, value, IPC_STR, VALUE_MAX),
    IPC_FIELD(struct msg_lookup_answer, why, IPC_STR, MSG_TEXT_MAX),
};
MESSAGE(lookup_answer, 65);

static const struct ipc_field anvil_fields[] = {
    IPC_FIELD(struct msg_anvil, event, IPC_U64, ANVIL_EVENTS - 1),
    IPC_FIELD(struct msg_anvil, service, IPC_STR, NAME_MAX_BYTES),
    IPC_FIELD(struct msg_anvil, client, IPC_STR, HOST_MAX),
};
MESSAGE(anvil, 66);

static const struct ipc_field anvil_count_fields[] = {
    IPC_FIELD(struct msg_anvil_count, count, IPC_U64, 0),
    IPC_FIELD(struct msg_anvil_count, rate, IPC_U64, 0),
};
MESSAGE(anvil_count, 67);

static const struct ipc_field sts_ask_fields[] = {
    IPC_FIELD(struct msg_sts_ask, domain, IPC_STR, HOST_MAX),
    IPC_FIELD(struct msg_sts_ask, id, IPC_STR, MSG_ID_MAX),
};
MESSAGE(sts_ask, 68);

static const struct ipc_field sts_answer_fields[] = {
    IPC_FIELD(struct msg_sts_answer, mode, IPC_U64, STS_MODES - 1),
    IPC_FIELD(struct msg_sts_answer, mx, IPC_STR, MSG_STS_MX_MAX),
    IPC_FIELD(struct msg_sts_answer, max_age, IPC_U64, 0),
    IPC_FIELD(struct msg_sts_answer, why, IPC_STR, MSG_TEXT_MAX),
    IPC_FIELD(struct msg_sts_answer, failure, IPC_STR, WORD_MAX),
};
MESSAGE(sts_answer, 69);

static const struct ipc_field tlsrpt_note_fields[] = {
    IPC_FIELD(struct msg_tlsrpt_note, domain, IPC_STR, HOST_MAX),
    IPC_FIELD(struct msg_tlsrpt_note, policy, IPC_U64, TLSRPT_POLICIES - 1),
    IPC_FIELD(struct msg_tlsrpt_note, strings, IPC_STR, MSG_TLSRPT_POLICY_MAX),
    IPC_FIELD(struct msg_tlsrpt_note, result, IPC_STR, WORD_MAX),
    IPC_FIELD(struct msg_tlsrpt_note, reason, IPC_STR, MSG_TLSRPT_REASON_MAX),
    IPC_FIELD(struct msg_tlsrpt_note, host, IPC_STR, HOST_MAX),
    IPC_FIELD(struct msg_tlsrpt_note, address, IPC_STR, ADDRESS_TEXT_MAX),
    IPC_FIELD(struct msg_tlsrpt_note, from, IPC_STR, ADDRESS_TEXT_MAX),
};
MESSAGE(tlsrpt_note, 70);

static const struct ipc_field tlsrpt_noted_fields[] = {
    IPC_FIELD(struct msg_tlsrpt_noted, counted, IPC_BOOL, 0),
};
MESSAGE(tlsrpt_noted, 71);

/* ---- Local submission ---- */

static const struct ipc_field drop_begin_fields[] = {
    IPC_FIELD(struct msg_drop_begin, sender, IPC_STR, MSG_ADDRESS_MAX),
    IPC_FIELD(struct msg_drop_begin, full_name, IPC_STR, FULL_NAME_MAX),
    IPC_FIELD(struct msg_drop_begin, ret, IPC_U64, DSN_RET_HDRS),
    IPC_FIELD(struct msg_drop_begin, envid, IPC_STR, ENVID_MAX),
    IPC_FIELD(struct msg_drop_begin, notify, IPC_U64, NOTIFY_MAX),
    IPC_FIELD(struct msg_drop_begin, smtputf8, IPC_BOOL, 0),
    IPC_FIELD(struct msg_drop_begin, body_8bit, IPC_BOOL, 0),
    IPC_FIELD(struct msg_drop_begin, verify_only, IPC_BOOL, 0),
    IPC_FIELD(struct msg_drop_begin, verbose, IPC_BOOL, 0),
    IPC_FIELD(struct msg_drop_begin, remove_bcc, IPC_BOOL, 0),
    IPC_FIELD(struct msg_drop_begin, gateway, IPC_BOOL, 0),
    IPC_FIELD(struct msg_drop_begin, verp, IPC_STR, VERP_MAX),
};
MESSAGE(drop_begin, 80);

static const struct ipc_field drop_commit_fields[] = {
    IPC_FIELD(struct msg_drop_commit, size, IPC_U64, 0),
};
MESSAGE(drop_commit, 81);

static const struct ipc_field drop_done_fields[] = {
    IPC_FIELD(struct msg_drop_done, accepted, IPC_BOOL, 0),
    IPC_FIELD(struct msg_drop_done, id, IPC_STR, MSG_ID_MAX),
    IPC_FIELD(struct msg_drop_done, exit_status, IPC_U64, EXIT_MAX),
    IPC_FIELD(struct msg_drop_done, why, IPC_STR, MSG_TEXT_MAX),
};
MESSAGE(drop_done, 82);

const struct ipc_schema *const msg_all[] = {
    &msg_submit_begin,
    &msg_submit_id,
    &msg_submit_no,
    &msg_submit_envelope,
    &msg_submit_rcpts,
    &msg_submit_commit,
    &msg_submit_cancel,
    &msg_submit_ok,
    &msg_agent_open,
    &msg_agent_ready,
    &msg_agent_no,
    &msg_agent_connected,
    &msg_agent_again,
    &msg_agent_close,
    &msg_deliver,
    &msg_result,
    &msg_report,
    &msg_report_ok,
    &msg_notice,
    &msg_notice_done,
    &msg_admin,
    &msg_admin_done,
    &msg_admin_cat,
    &msg_admin_slot,
    &msg_flush,
    &msg_showq_ask,
    &msg_showq_entry,
    &msg_showq_end,
    &msg_lookup,
    &msg_lookup_answer,
    &msg_anvil,
    &msg_anvil_count,
    &msg_sts_ask,
    &msg_sts_answer,
    &msg_tlsrpt_note,
    &msg_tlsrpt_noted,
    &msg_drop_begin,
    &msg_drop_commit,
    &msg_drop_done,
    NULL,
};

/*
 * Attributes of a submission. What a network receiver says of its client goes into logs, headers and
 * policy, never into routing. Login names and what a proxy said of another client are for receivers
 * that have verified them; no network receiver does so yet, so they are refused from there.
 */
static const struct {
	const char *name;
	bool network; /* may private/qmgr-net set it */
} attributes[] = {
    {"client_name", true},
    {"client_address", true},
    {"client_port", true},
    {"client_addr_type", true},
    {"reverse_client_name", true},
    {"helo_name", true},
    {"protocol_name", true},
    {"verp", true},
    {"log_client_name", false},
    {"log_client_address", false},
    {"log_client_port", false},
    {"log_helo_name", false},
    {"log_protocol_name", false},
    {"log_ident", false},
    {"sasl_method", false},
    {"sasl_username", false},
    {"sasl_sender", false},
    {"local_uid", false},
    {"local_name", false},
};

bool
msg_attr_allowed(struct str name, bool local)
{
	for (size_t i = 0; i < COUNT(attributes); i++)
		if (str_eq(name, str_c(attributes[i].name)))
			return local || attributes[i].network;
	return false;
}

const char *
sts_mode_name(enum sts_mode mode)
{
	static const char *const names[STS_MODES] = {"none", "testing", "enforce"};

	return names[mode];
}

const char *
tlsrpt_policy_name(enum tlsrpt_policy policy)
{
	static const char *const names[TLSRPT_POLICIES] = {"no-policy-found", "sts", "tlsa"};

	return names[policy];
}

bool
tlsrpt_result_known(struct str result)
{
	static const char *const known[] = {"starttls-not-supported", "certificate-host-mismatch",
	    "certificate-expired", "certificate-not-trusted", "validation-failure", "tlsa-invalid",
	    "dnssec-invalid", "dane-required", "sts-policy-fetch-error", "sts-policy-invalid",
	    "sts-webpki-invalid"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq(result, str_c(known[i])))
			return true;
	return false;
}
