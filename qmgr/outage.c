/*
 * outage - transports whose delivery agent cannot be had: see outage.h
 */
#include "qmgr/outage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"

#define UNAVAILABLE "mail transport unavailable: " /* as Postfix has it */

void
outage_fail(struct destination *dest, struct str dsn, struct str text)
{
	struct outcome o = {
	    .status = dsn.len > 0 && dsn.data[0] == '5' ? DELIVERY_BOUNCED : DELIVERY_DEFERRED,
	    .dsn = dsn,
	    .text = text,
	    .relay = str_c(dest->transport->name),
	    .logged_as = dest->transport->name,
	};

	if (o.status == DELIVERY_DEFERRED)
		o.relay = STR("none");
	destination_fail(dest, &o);
}

/* The transport is not asked for a while; WHAT has happened, WHY says it to those who look at the queue. */
static void
begin(struct destination *dest, const char *what, const char *why)
{
	struct transport *t = dest->transport;
	int64_t seconds = conf_time(conf_get(), P_transport_retry_time);

	/* Of several channels that fail at the same time the first has said it. */
	if (!t->outage || t->outage_end <= fiber_now()) {
		log_warning("%s; mail for transport %s is deferred, and the next try made after "
			    "%" PRId64 " seconds",
		    what, t->name, seconds);
		free(t->outage);
		t->outage = str_dup(str_c(why));
		t->outage_end = fiber_after(seconds * 1000);
	}
	outage_fail(dest, STR("4.3.0"), str_c(t->outage));
}

/* Is it this process that has too little, whatever the agent is doing? */
static bool
is_own_lack(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

void
outage_no_socket(struct destination *dest, const char *path, int error)
{
	struct buf what = {0}, why = {0};

	buf_printf(&what, "connect to transport %s: %s", path, strerror(error));
	buf_printf(&why, UNAVAILABLE "%s: %s%s", path, strerror(error),
	    error == ENOENT ? " (has master.cf a line for it?)" : "");
	if (is_own_lack(error)) {
		log_warning("%s", buf_cstr(&what));
		outage_fail(dest, STR("4.3.0"), buf_view(&why));
	} else {
		begin(dest, buf_cstr(&what), buf_cstr(&why));
	}
	buf_free(&what);
	buf_free(&why);
}

void
outage_ended(struct destination *dest, int64_t began, struct str why)
{
	struct transport *t = dest->transport;
	int64_t forgotten = conf_time(conf_get(), P_transport_retry_time) * 1000;
	struct buf what = {0}, text = {0};

	buf_printf(&text, UNAVAILABLE "%.*s", STR_ARG(why));
	/* Of such an agent a part has become the user, who may end it: it is no outage of the others. */
	if (t->by_user) {
		outage_fail(dest, STR("4.3.0"), buf_view(&text));
		buf_free(&text);
		return;
	}
	if (t->lost_at == 0 || began - t->lost_at > forgotten)
		t->lost_at = fiber_now();
	if (began >= t->lost_at + OUTAGE_PAUSE_MS) {
		buf_printf(&what, "%.*s, again, without a result", STR_ARG(why));
		begin(dest, buf_cstr(&what), buf_cstr(&text));
	}
	buf_free(&what);
	buf_free(&text);
}

void
outage_over(struct transport *t)
{
	t->lost_at = 0;
	t->outage_end = 0;
	if (!t->outage)
		return;
	log_info("transport %s: the delivery agent works again", t->name);
	free(t->outage);
	t->outage = NULL;
}

bool
outage_refuses(struct destination *dest)
{
	const struct transport *t = dest->transport;

	if (!t->outage || t->outage_end <= fiber_now())
		return false;
	outage_fail(dest, STR("4.3.0"), str_c(t->outage));
	return true;
}

void
outage_retry_all(void)
{
	struct transport *t;
	size_t cursor = 0;

	while ((t = transport_next(&cursor)))
		t->outage_end = 0;
}
