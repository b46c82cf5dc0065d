/*
 * access - who may do what
 *
 * The policy of today: clients in mynetworks may send anywhere, everybody may send to the domains this
 * machine is responsible for, and a recipient there must exist. It stands as two lists of restrictions,
 * run the way that smtpd_*_restrictions are run.
 */
#include "smtpd/access.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/route/route.h"
#include "smtpd/recipients.h"
#include "smtpd/reply.h"

struct access {
	const struct conf *conf;
	struct match_list *mynetworks;
	struct match_list *unlimited;
	struct match_list *newlines;
	struct match_list *verp;
	struct match_list *interfaces; /* this machine's own addresses */
	int relay_code, unknown_local_code;
	bool rewrite_interfaces, rewrite_mynetworks; /* local_header_rewrite_clients */
	bool show_table, reject_unlisted, untrusted_routing;
};

/* ---- Restrictions ---------------------------------------------------------------------------- */

/* What a restriction is asked about. */
struct question {
	struct session *session;
	const struct access *access;
	const struct mail_address *recipient;
	struct str shown; /* the recipient as the client wrote it */
	enum route_class class;
	enum route_status status; /* of finding the class */
	bool ambiguous;
	struct buf why; /* of status and ambiguous */
};

enum verdict {
	VERDICT_NONE,   /* nothing to say: the next one is asked */
	VERDICT_PERMIT, /* this list is over */
	VERDICT_REJECT, /* the reply has been given */
};

typedef enum verdict restriction(struct question *q);

/* Which class a recipient is in is not known: that is our trouble, the client tries again. */
static enum verdict
defer_lookup(struct question *q, const char *why)
{
	log_warning("%s: look-up for <%.*s> failed: %s", q->session->where, STR_ARG(q->shown), why);
	reply_reject(q->session, STR_EMPTY, q->shown, 451, "4.3.0",
	    "<%.*s>: Temporary lookup failure", STR_ARG(q->shown));
	return VERDICT_REJECT;
}

static enum verdict
permit_mynetworks(struct question *q)
{
	return q->session->mynetworks == TABLE_FOUND ? VERDICT_PERMIT : VERDICT_NONE;
}

/*
 * "user%elsewhere@here", "elsewhere!user@here", "\"user@elsewhere\"@here": a way that the sender gives. No
 * such way is taken here, but a server behind this one may take it for an order of ours.
 */
static bool
has_route(const struct mail_address *recipient)
{
	for (size_t i = 0; i < recipient->local.len; i++)
		if (recipient->local.data[i] == '@' || recipient->local.data[i] == '%' ||
		    recipient->local.data[i] == '!')
			return true;
	return false;
}

/* Also says 451 when a list that could have said yes could not be read. */
static enum verdict
reject_unauth_destination(struct question *q)
{
	if (q->status == ROUTE_DEFER)
		return defer_lookup(q, buf_cstr(&q->why));
	if (q->class != ROUTE_DEFAULT && (q->access->untrusted_routing || !has_route(q->recipient)))
		return VERDICT_NONE;
	if (q->session->mynetworks == TABLE_ERROR)
		return defer_lookup(q, "mynetworks could not be read");
	reply_reject(q->session, STR_EMPTY, q->shown, q->access->relay_code, "5.7.1",
	    "<%.*s>: Relay access denied", STR_ARG(q->shown));
	return VERDICT_REJECT;
}

static enum verdict
reject_unlisted_recipient(struct question *q)
{
	const struct access *a = q->access;
	struct buf why = {0};
	enum verdict verdict = VERDICT_NONE;
	enum table_status status;

	if (q->status == ROUTE_DEFER)
		return defer_lookup(q, buf_cstr(&q->why));
	status = recipients_listed(q->session->server->recipients, q->class, q->recipient, &why);
	if (status == TABLE_ERROR) {
		verdict = defer_lookup(q, buf_cstr(&why));
	} else if (status == TABLE_NOT_FOUND && q->ambiguous) {
		verdict = VERDICT_REJECT;
		reply_reject(q->session, STR_EMPTY, q->shown, 451, "4.3.5",
		    "<%.*s>: Recipient address rejected: %s", STR_ARG(q->shown), buf_cstr(&q->why));
	} else if (status == TABLE_NOT_FOUND) {
		verdict = VERDICT_REJECT;
		reply_reject(q->session, STR_EMPTY, q->shown,
		    q->class == ROUTE_LOCAL ? a->unknown_local_code : 550, "5.1.1",
		    "<%.*s>: Recipient address rejected: User unknown%s%s", STR_ARG(q->shown),
		    a->show_table ? " in " : "",
		    a->show_table ? recipients_table_name(q->class) : "");
	}
	buf_free(&why);
	return verdict;
}

static restriction *const relay_restrictions[] = {
    permit_mynetworks, reject_unauth_destination, NULL};
static restriction *const recipient_restrictions[] = {reject_unlisted_recipient, NULL};

static bool
run_list(restriction *const *list, struct question *q)
{
	for (; *list; list++) {
		enum verdict verdict = (*list)(q);

		if (verdict != VERDICT_NONE)
			return verdict == VERDICT_PERMIT;
	}
	return true;
}

bool
access_recipient(struct session *s, const struct mail_address *recipient, struct str shown)
{
	const struct access *a = s->server->access;
	struct question q = {.session = s, .access = a, .recipient = recipient, .shown = shown};
	bool ok;

	if (s->server->stand_alone)
		return true; /* the caller could have used sendmail: qmgr and local find out */
	q.status = route_class_of(a->conf, recipient->domain, &q.class, &q.ambiguous, &q.why);
	ok = run_list(relay_restrictions, &q);
	if (ok && a->reject_unlisted)
		ok = run_list(recipient_restrictions, &q);
	buf_free(&q.why);
	return ok;
}

/* ---- Clients --------------------------------------------------------------------------------- */

static bool
has_client(struct match_list *list, const struct session *s)
{
	struct buf why = {0};
	enum table_status status = list
	    ? match_list_has(list, str_c(s->peer.name), str_c(s->peer.address), &why)
	    : TABLE_NOT_FOUND;

	if (status == TABLE_ERROR)
		log_warning("%s: %s", s->peer.namaddr, buf_cstr(&why));
	buf_free(&why);
	return status == TABLE_FOUND;
}

void
access_client(struct session *s)
{
	const struct access *a = s->server->access;
	struct buf why = {0};

	if (s->server->stand_alone) {
		s->mynetworks = TABLE_FOUND;
		s->rewrites = s->unlimited = s->newlines_excepted = true;
		return;
	}
	if (a->mynetworks)
		s->mynetworks = match_list_has(
		    a->mynetworks, str_c(s->peer.name), str_c(s->peer.address), &why);
	else
		s->mynetworks = TABLE_ERROR;
	if (a->mynetworks && s->mynetworks == TABLE_ERROR)
		log_warning("mynetworks: %s: %s", s->peer.namaddr, buf_cstr(&why));
	buf_free(&why);
	s->unlimited = has_client(a->unlimited, s);
	s->newlines_excepted = has_client(a->newlines, s);
	s->verp = has_client(a->verp, s);
	s->rewrites = (a->rewrite_mynetworks && s->mynetworks == TABLE_FOUND) ||
	    (a->rewrite_interfaces && has_client(a->interfaces, s));
}

bool
access_forbidden_command(const struct access *a, struct str verb)
{
	struct str rest = conf_str(a->conf, P_smtpd_forbidden_commands), item;
	unsigned char first = verb.len ? (unsigned char)verb.data[0] : 'A';
	bool letter = (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');

	while (conf_list_next(&rest, &item)) {
		if (str_eq_nocase(item, verb))
			return true;
		/* The one pattern of the default value: what does not begin with a letter. */
		if (str_eq(item, STR("regexp:{{/^[^A-Z]/ Bogus}}")) && !letter)
			return true;
	}
	return false;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

/* The addresses of this machine's interfaces as an address list. */
static void
own_addresses(struct buf *out)
{
	struct ifaddrs *all, *i;
	char text[INET6_ADDRSTRLEN];

	buf_puts(out, "127.0.0.0/8 [::1]");
	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i; i = i->ifa_next) {
		const void *sa = i->ifa_addr;

		if (!sa)
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			const struct sockaddr_in *in = sa;

			buf_printf(
			    out, " %s", inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)));
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			const struct sockaddr_in6 *in6 = sa;

			buf_printf(
			    out, " [%s]", inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)));
		}
	}
	freeifaddrs(all);
}

/* Who is in a list that makes no sense is not known: NULL. */
static struct match_list *
compile(struct str text, const char *param)
{
	struct buf why = {0};
	struct match_list *list = match_list_new_for(MATCH_ADDRESS, false, text, param, true, &why);

	if (!list)
		log_error("%s: %s", param, buf_cstr(&why));
	buf_free(&why);
	return list;
}

struct access *
access_new(const struct conf *conf)
{
	struct access *a = MEM_NEW(struct access);
	struct buf own = {0};
	struct str rest = conf_str(conf, P_local_header_rewrite_clients), item;

	a->conf = conf;
	a->relay_code = (int)conf_int(conf, P_relay_domains_reject_code);
	a->unknown_local_code = (int)conf_int(conf, P_unknown_local_recipient_reject_code);
	a->show_table = conf_bool(conf, P_show_user_unknown_table_name);
	a->untrusted_routing = conf_bool(conf, P_allow_untrusted_routing);
	a->reject_unlisted = conf_bool(conf, P_smtpd_reject_unlisted_recipient);
	while (conf_list_next(&rest, &item)) {
		a->rewrite_interfaces |= str_eq_nocase(item, STR("permit_inet_interfaces"));
		a->rewrite_mynetworks |= str_eq_nocase(item, STR("permit_mynetworks"));
	}
	own_addresses(&own);
	a->mynetworks = compile(conf_str(conf, P_mynetworks), "mynetworks");
	a->unlimited = compile(conf_str(conf, P_smtpd_client_event_limit_exceptions),
	    "smtpd_client_event_limit_exceptions");
	a->verp = compile(
	    conf_str(conf, P_smtpd_authorized_verp_clients), "smtpd_authorized_verp_clients");
	a->newlines = compile(conf_str(conf, P_smtpd_forbid_bare_newline_exclusions),
	    "smtpd_forbid_bare_newline_exclusions");
	a->interfaces = compile(buf_view(&own), "inet_interfaces");
	buf_free(&own);
	return a;
}

void
access_free(struct access **a)
{
	if (!*a)
		return;
	match_list_free(&(*a)->mynetworks);
	match_list_free(&(*a)->unlimited);
	match_list_free(&(*a)->newlines);
	match_list_free(&(*a)->verp);
	match_list_free(&(*a)->interfaces);
	free(*a);
	*a = NULL;
}
