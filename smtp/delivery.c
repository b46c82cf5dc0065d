/*
 * delivery - recipients and their results: see delivery.h
 */
#include "smtp/delivery.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/fiber/fiber.h"
#include "smtp/client.h"
#include "smtp/late.h"

void
delivery_begin(struct delivery *d, struct client *client, struct ipc_channel *channel,
    const struct msg_deliver *m, struct arena *a)
{
	const struct msg_deliver_rcpt *rcpts = m->rcpts.items;

	*d = (struct delivery){.client = client, .m = m, .arena = a, .tls = STR_EMPTY};
	d->begun_us = d->talked_us = clock_wall_us();
	d->n = d->open = m->rcpts.count;
	d->targets = arena_array(a, d->n + 1, sizeof(*d->targets));
	for (size_t i = 0; i < d->n; i++)
		d->targets[i] = (struct target){.rcpt = &rcpts[i], .open = true};
	content_begin(&d->content, channel, a, m->attempt, m->size);
}

void
target_fail(struct delivery *d, struct target *t, const struct failure *f)
{
	if (!t->open)
		return;
	t->failure = *f;
	t->tls = d->tls;
	t->status = f->hard ? DELIVERY_BOUNCED : DELIVERY_DEFERRED;
	t->accepted = false;
	if (f->hard) {
		t->open = false;
		d->open--;
	}
}

void
delivery_fail(struct delivery *d, const struct failure *f, bool accepted_only)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->targets[i].open && (d->targets[i].accepted || !accepted_only))
			target_fail(d, &d->targets[i], f);
}

void
target_sent(struct delivery *d, struct target *t, const struct connection *c)
{
	char dsn[DSN_TEXT_SIZE] = "2.0.0";
	struct buf text = {0};

	if (!t->open)
		return;
	failure_local(&t->failure, d->arena, c, "2.0.0", "%s", "");
	if (c->reply.dsn.class == 2)
		dsn_text(&c->reply.dsn, dsn);
	smtp_reply_join(&c->reply, &text);
	t->failure.dsn = arena_str(d->arena, str_c(dsn));
	t->failure.text = arena_str(d->arena, str_sub(buf_view(&text), 0, MSG_TEXT_MAX));
	/* Whose result names a server is relayed, other mail is delivered: notices tell them apart by this. */
	if (!d->client->settings.final)
		t->failure.remote_mta = arena_printf(d->arena, "dns; %.*s", STR_ARG(c->host));
	buf_free(&text);
	t->status = DELIVERY_SENT;
	t->dsn_passed = (c->features.bits & FEATURE_DSN) != 0;
	t->conn_use = c->uses;
	t->tls = d->tls;
	t->open = false;
	d->open--;
}

void
delivery_step(struct delivery *d, enum delivery_step step)
{
	if (d->step)
		*d->step = step;
}

void
delivery_connected(struct delivery *d)
{
	const struct msg_agent_connected connected = {d->m->attempt};
	struct ipc_channel *channel = d->content.channel;

	if (!d->m->tell_connected || d->told_connected)
		return;
	d->told_connected = true;
	if (ipc_send(channel, &msg_agent_connected, &connected) != IPC_OK ||
	    ipc_flush(channel) != IPC_OK)
		d->content.lost = true;
}

/* The words of a result as the rules want them, in the delivery's arena. True: other ones. */
static bool
edit_result(const struct delivery *d, struct str *dsn, struct str *text)
{
	struct buf new_dsn = {0}, new_text = {0};
	bool edited;

	if (d->client->rules)
		outgoing_result(d->client->rules, *dsn, *text, &new_dsn, &new_text);
	edited = new_dsn.len > 0;
	if (edited) {
		*dsn = arena_str(d->arena, buf_view(&new_dsn));
		*text = arena_str(d->arena, str_sub(buf_view(&new_text), 0, MSG_TEXT_MAX));
	}
	buf_free(&new_dsn);
	buf_free(&new_text);
	return edited;
}

static bool
send_result(const struct delivery *d, struct target *t)
{
	int64_t now = clock_wall_us();
	struct msg_result r = {
	    .id = d->m->id,
	    .attempt = d->m->attempt,
	    .index = t->rcpt->index,
	    .status = t->status,
	    .dsn = t->failure.dsn,
	    .text = t->failure.text,
	    .relay = t->failure.relay,
	    .diagnostic = t->failure.diagnostic,
	    .remote_mta = t->failure.remote_mta,
	    .connect_us = d->talked_us - d->begun_us,
	    .transmit_us = now - d->talked_us,
	    .unreachable = t->status == DELIVERY_DEFERRED && t->failure.unreachable &&
		!d->reached && !fiber_canceled(), /* this process ends, no more */
	    .dsn_passed = t->dsn_passed,
	    .conn_use = t->conn_use,
	    .own_mx = t->status == DELIVERY_BOUNCED && t->failure.own_mx,
	    .tls = t->tls,
	};

	if (edit_result(d, &r.dsn, &r.text) && t->status != DELIVERY_SENT)
		r.status = r.dsn.data[0] == '5' ? DELIVERY_BOUNCED : DELIVERY_DEFERRED;
	t->told = true;
	return ipc_send(d->content.channel, &msg_result, &r) == IPC_OK;
}

void
delivery_report_late(const struct delivery *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct target *t = &d->targets[i];
		struct msg_report r = {
		    .id = d->m->id,
		    .index = t->rcpt->index,
		    .ticket = t->rcpt->ticket,
		    .dsn = t->failure.dsn,
		    .text = t->failure.text,
		    .relay = t->failure.relay,
		    .remote_mta = t->failure.remote_mta,
		    .dsn_passed = t->dsn_passed,
		};

		/* A probe delivers nothing, and what has failed is found out again by trying. */
		if (t->open || t->status != DELIVERY_SENT || d->m->probe)
			continue;
		(void)edit_result(d, &r.dsn, &r.text);
		late_add(d->client->late, &r);
	}
}

bool
delivery_tell(struct delivery *d)
{
	bool ok = !d->content.lost, any = false;

	for (size_t i = 0; i < d->n && ok; i++) {
		struct target *t = &d->targets[i];

		if (t->open || t->told)
			continue;
		ok = send_result(d, t);
		any = true;
	}
	if (ok && any)
		ok = ipc_flush(d->content.channel) == IPC_OK;
	d->content.lost = !ok;
	return ok;
}

bool
delivery_end(struct delivery *d)
{
	bool ok;

	for (size_t i = 0; i < d->n; i++) {
		struct target *t = &d->targets[i];

		if (!t->open)
			continue;
		if (t->failure.dsn.len == 0)
			failure_local(
			    &t->failure, d->arena, NULL, "4.3.0", "no server could be tried");
		t->status = DELIVERY_DEFERRED;
		t->open = false;
	}
	/* First the results: what is left of the content may be long in coming. */
	ok = delivery_tell(d) && content_skip(&d->content);
	content_free(&d->content);
	return ok;
}
