/*
 * bounce - composes delivery status notifications
 *
 * qmgr says what happened to which recipients and sends what is to be returned; bounce writes the
 * notice (compose.c), submits it to qmgr over the socket for notices, and says that it is in the queue.
 * Keeps nothing itself: what was not answered is asked again. Confined to a chroot with one socket.
 */
#include <string.h>

#include "bounce/compose.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/ipc/channel.h"
#include "lib/mail/notice_file.h"
#include "lib/mail/utf8.h"
#include "lib/queue/submit.h"
#include "lib/service/service.h"

#define SUBMIT_MS 60000 /* to wait for a queue manager that is away */

#define MINUTE_MS 60000
#define COPIES_MAX 60 /* copies for the postmaster in a minute */

static struct submit_pool *pool;
static struct {
	int64_t since; /* milliseconds */
	unsigned told, left_out;
} copies;
static struct notice_text texts[NOTICE_KINDS];
static struct arena *texts_arena;

/* One request of qmgr. */
struct request {
	struct ipc_channel *asker;
	struct arena *arena;
	struct msg_notice notice;
	struct buf original;
	struct msg_notice_done done;
};

/* Is WORD in notify_classes? */
static bool
class_on(struct str word)
{
	struct str rest = conf_str(conf_get(), P_notify_classes), item;

	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(item, word))
			return true;
	return false;
}

/* NAME as an address of this system: "postmaster" becomes "postmaster@myorigin". */
static struct str
own_address(struct arena *a, struct str name)
{
	if (str_chr(name, '@') != STR_NPOS)
		return arena_str(a, name);
	return arena_printf(
	    a, "%.*s@%.*s", STR_ARG(name), STR_ARG(conf_str(conf_get(), P_myorigin)));
}

/* What the log calls it. */
static const char *
kind_words(uint64_t kind)
{
	switch (kind) {
	case NOTICE_FAILURE:
		return "non-delivery notification";
	case NOTICE_DELAY:
		return "delay notification";
	default:
		return "delivery status notification";
	}
}

/* The lines before the first empty one. */
static struct str
header_of(struct str message)
{
	size_t end = str_find(message, STR("\r\n\r\n"));

	if (str_starts(message, STR("\r\n")))
		return STR_EMPTY;
	return end == STR_NPOS ? message : str_sub(message, 0, end + 2);
}

/*
 * Composes and submits one notice to TO. False with r->done.why set when qmgr did not take it.
 */
static bool
send_notice(struct request *r, struct str to, struct str sender, bool postmaster)
{
	struct submit_refusal no;
	struct submit *s = submit_begin(pool, r->original.len, fiber_after(SUBMIT_MS), &no);
	struct msg_submit_envelope envelope = {.sender = sender, .envid = STR_EMPTY};
	struct msg_rcpt rcpt = {
	    .address = to, .orig = to, .orcpt = STR_EMPTY, .notify = DSN_NOTIFY_NEVER};
	struct compose c = {
	    .notice = &r->notice,
	    .original = buf_view(&r->original),
	    .myhostname = conf_str(conf_get(), P_myhostname),
	    .from = own_address(r->arena, STR("MAILER-DAEMON")),
	    .to = to,
	    .postmaster = postmaster,
	    .text = &texts[r->notice.kind],
	    .subject = r->notice.class.len
		? arena_printf(r->arena, "Postmaster notice: %.*s trouble with mail",
		      STR_ARG(r->notice.class))
		: STR_EMPTY,
	    .now = clock_wall(),
	};
	struct buf text = {0};
	bool ok = false;

	/* A copy tells the postmaster what goes on, and not what people write. */
	if (postmaster && !r->notice.double_bounce)
		c.original = header_of(c.original);
	/* It may have been killed while qmgr's next process was waited for: that one asks again. */
	if (s && stream_readable(ipc_stream(r->asker))) {
		submit_cancel(&s);
		r->done.why = STR("the one who asked is gone");
		return false;
	}
	if (s) {
		c.queue_id = arena_str(r->arena, submit_id(s));
		envelope.smtputf8 = compose_needs_utf8(&c);
		compose_notice(&c, &text);
		envelope.body_8bit = utf8_8bit(buf_view(&text));
		submit_envelope(s, &envelope, &rcpt, 1);
		submit_content(s, buf_view(&text));
		ok = submit_commit(&s, &no);
		buf_free(&text);
	}
	if (ok) {
		r->done.id = c.queue_id;
		log_info("%.*s: %s %s: %.*s", STR_ARG(r->notice.id),
		    postmaster ? "postmaster" : "sender", kind_words(r->notice.kind),
		    STR_ARG(c.queue_id));
	} else {
		r->done.why = arena_printf(r->arena, "%u %s %s", no.code, no.dsn, no.text);
	}
	return ok;
}

/* A failed notice goes to the postmaster if that is wanted, and never further. */
static bool
send_double_bounce(struct request *r)
{
	struct str name = conf_str(conf_get(), P_double_bounce_sender);

	/* qmgr has found that the sender is either of the two. */
	if (r->notice.sender.len > 0) {
		log_warning(
		    "%.*s: undeliverable postmaster notification discarded", STR_ARG(r->notice.id));
		return true;
	}
	if (!class_on(STR("2bounce")) && !class_on(STR("bounce"))) {
		log_info(
		    "%.*s: undeliverable notification discarded (notify_classes has no 2bounce)",
		    STR_ARG(r->notice.id));
		return true;
	}
	return send_notice(r,
	    own_address(r->arena, conf_str(conf_get(), P_2bounce_notice_recipient)),
	    own_address(r->arena, name), true);
}

/*
 * Trouble of a class that the postmaster wants to hear of (notify_classes), found by qmgr: to
 * error_notice_recipient alone. Its failure does not count.
 */
static bool
send_error(struct request *r)
{
	if (class_on(r->notice.class))
		send_notice(r,
		    own_address(r->arena, conf_str(conf_get(), P_error_notice_recipient)),
		    own_address(r->arena, conf_str(conf_get(), P_double_bounce_sender)), true);
	r->done.id = STR_EMPTY;
	return true;
}

/*
 * Is there room for one more copy in this minute? A flood of bounces must not become twice as large by what
 * the postmaster gets of it.
 */
static bool
may_copy(const struct request *r)
{
	int64_t now = fiber_now();

	if (copies.since == 0 || now - copies.since >= MINUTE_MS) {
		if (copies.left_out > 0)
			log_warning("%u copies for the postmaster were left out", copies.left_out);
		copies.told = copies.left_out = 0;
		copies.since = now;
	}
	if (copies.told < COPIES_MAX) {
		copies.told++;
		return true;
	}
	if (copies.left_out++ == 0)
		log_warning("%.*s: more than %d copies for the postmaster in a minute: the others "
			    "are left out",
		    STR_ARG(r->notice.id), COPIES_MAX);
	return false;
}

/* The copy for the postmaster that notify_classes may ask for; its failure does not count. */
static void
send_copy(struct request *r)
{
	struct str sender = own_address(r->arena, conf_str(conf_get(), P_double_bounce_sender));
	enum param to;

	if (r->notice.kind == NOTICE_FAILURE && class_on(STR("bounce")))
		to = P_bounce_notice_recipient;
	else if (r->notice.kind == NOTICE_DELAY && class_on(STR("delay")))
		to = P_delay_notice_recipient;
	else
		return;
	if (may_copy(r))
		send_notice(r, own_address(r->arena, conf_str(conf_get(), to)), sender, true);
}

static bool
handle(struct request *r)
{
	if (r->notice.rcpts.count == 0) {
		r->done.why = STR("notice without recipients");
		return false;
	}
	if (r->notice.class.len > 0)
		return send_error(r);
	if (r->notice.double_bounce)
		return r->notice.kind != NOTICE_FAILURE || send_double_bounce(r);
	if (!send_notice(r, r->notice.sender, STR_EMPTY, false))
		return false;
	struct str id = r->done.id;
	send_copy(r);
	r->done.id = id;
	return true;
}

/* The content that follows a notice. False: the channel is lost. */
static bool
take_original(struct ipc_channel *channel, struct request *r)
{
	static const struct ipc_schema *const none[] = {NULL};
	struct ipc_message m;

	while (r->original.len < r->notice.size) {
		if (ipc_recv(channel, r->arena, none, true, &m) != IPC_OK)
			return false;
		if (r->original.len + m.content.len > r->notice.size)
			return false;
		buf_str(&r->original, m.content);
	}
	return true;
}

/* True: the next request may come on this channel. */
static bool
serve(struct service_client *client, struct ipc_channel *channel, struct request *r)
{
	static const struct ipc_schema *const accept[] = {&msg_notice, NULL};
	struct ipc_message m;

	if (!service_idle(client, true) || ipc_recv(channel, r->arena, accept, false, &m) != IPC_OK)
		return false;
	service_idle(client, false);
	r->notice = *(struct msg_notice *)m.body;
	r->done = (struct msg_notice_done){.id = STR_EMPTY, .why = STR_EMPTY};
	if (r->notice.size > MSG_NOTICE_SIZE_MAX || r->notice.kind >= NOTICE_KINDS ||
	    !take_original(channel, r))
		return false;
	r->done.accepted = handle(r);
	return ipc_send(channel, &msg_notice_done, &r->done) == IPC_OK &&
	    ipc_flush(channel) == IPC_OK;
}

static void
bounce_session(struct service_client *client)
{
	struct ipc_channel *channel = ipc_channel_new(client->stream, "bounce", "qmgr");
	struct request r = {.asker = channel, .arena = arena_new(1024)};

	client->stream = NULL;
	while (serve(client, channel, &r)) {
		buf_free(&r.original);
		arena_reset(r.arena);
	}
	buf_free(&r.original);
	arena_free(&r.arena);
	ipc_channel_free(&channel);
}

/* The texts of bounce_template_file. What is wrong in it must not keep senders from being told. */
static bool
bounce_before(void)
{
	const char *path = conf_cstr(conf_get(), P_bounce_template_file);
	struct notice_file_error error = {0};

	texts_arena = arena_new(1024);
	for (size_t i = 0; i < NOTICE_KINDS; i++)
		texts[i] = *notice_text((enum notice_kind)i);
	if (*path && !notice_file_load(path, conf_get(), texts_arena, texts, &error))
		log_error("%s, line %zu: %s: the built-in texts are used instead", path, error.line,
		    buf_cstr(&error.why));
	buf_free(&error.why);
	return true;
}

static bool
bounce_start(void)
{
	pool = submit_pool_new("private/qmgr-bounce", "bounce");
	return true;
}

static const struct service bounce_service = {
    .name = "bounce",
    .sandbox = SANDBOX_INTERNAL,
    .session_limit = P_default_session_limit,
    .before_confinement = bounce_before,
    .start = bounce_start,
    .session = bounce_session,
};

int
main(int argc, char **argv)
{
	return service_run(&bounce_service, argc, argv);
}
