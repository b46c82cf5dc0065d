/* show - what listings of the queue say of a message: see show.h */
#include "lib/queue/show.h"

static struct str
attr(const struct slot_envelope *e, const char *name)
{
	for (size_t i = 0; i < e->n_attrs; i++)
		if (str_eq(e->attrs[i].name, str_c(name)))
			return e->attrs[i].value;
	return STR_EMPTY;
}

/* Wall seconds when it is given up: its lifetime begins at its arrival, or when it was requeued. */
static int64_t
expires(const struct conf *conf, const struct spool_message *m)
{
	int64_t first = m->header.arrival_us / 1000000;
	int64_t from = m->mark_valid && m->mark.renewed > first ? m->mark.renewed : first;

	return from +
	    conf_time(conf,
		m->envelope.sender.len == 0 ? P_bounce_queue_lifetime : P_maximal_queue_lifetime);
}

void
show_head(const struct conf *conf, const struct spool_message *m, struct msg_showq_entry *e)
{
	e->id = str_c(m->header.id);
	e->arrival = m->header.arrival_us / 1000000;
	e->size = m->header.content;
	e->sender = m->envelope.sender;
	e->forced_expire = m->mark.expire;
	e->expires = expires(conf, m);
	e->tries = m->mark.tries;
}

void
show_origin(const struct slot_envelope *e, struct buf *out)
{
	struct str uid = attr(e, "local_uid"), address = attr(e, "client_address");
	struct str name = attr(e, "client_name"), login = attr(e, "sasl_username");

	if (address.len)
		buf_printf(out, "client %.*s[%.*s]",
		    STR_ARG(name.len ? str_sub(name, 0, 300) : STR("unknown")),
		    STR_ARG(str_sub(address, 0, 100)));
	else if (uid.len)
		buf_printf(out, "local user %.*s", STR_ARG(str_sub(uid, 0, 20)));
	if (login.len)
		buf_printf(out, ", logged in as %.*s", STR_ARG(str_sub(login, 0, 300)));
}

bool
show_rcpt(const struct spool_message *m, size_t index, const struct slot_reason *reason, bool all,
    struct msg_showq_rcpt *r)
{
	enum slot_rcpt_state state = m->marks[index].state;
	bool waits = state == SLOT_RCPT_TODO || state == SLOT_RCPT_FAILED_NOTICE;

	if (!waits && !all)
		return false;
	*r = (struct msg_showq_rcpt){
	    .address = m->envelope.rcpts[index].address,
	    .reason = reason ? reason->text : STR_EMPTY,
	    .dsn = reason ? reason->dsn : STR_EMPTY,
	    .fate = state == SLOT_RCPT_TODO                                      ? SHOWQ_WAITS
		: state == SLOT_RCPT_SENT || state == SLOT_RCPT_SENT_NOTICE      ? SHOWQ_SENT
		: state == SLOT_RCPT_BOUNCED || state == SLOT_RCPT_FAILED_NOTICE ? SHOWQ_FAILED
										 : SHOWQ_REMOVED,
	    .transport = STR_EMPTY,
	    .nexthop = STR_EMPTY,
	};
	return true;
}
