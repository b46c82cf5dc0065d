/*
 * worker - from root to the mailbox's user, and the life after that: see worker.h
 *
 * Until service_become() has returned this is root: it looks the user up and chooses the mailbox, and
 * touches nothing of the user's. After it no way leads back.
 */
#include "config.h"

#include "local/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/service.h"
#include "local/delivery.h"
#include "local/introduction.h"
#include "local/late.h"

/* The worker's descriptors, after those of all processes. */
#define FD_CONTROL 3
#define FD_CHANNEL 5
#define FD_HIGH 16 /* out of the way of these */

#define MAILDIR_WINDOW 32
#define MBOX_WINDOW 16

/* For the signal's handler, which is given no argument. */
static struct {
	struct worker *worker;
} current;

/* --- As root ---------------------------------------------------------------------------------------- */

/* Keeps the channel, the parent, the log, and nothing else: not master, not the listening sockets. */
static bool
keep_descriptors(int fd, int control)
{
	int channel = fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);
	int parent = fcntl(control, F_DUPFD_CLOEXEC, FD_HIGH);

	return channel >= 0 && parent >= 0 && dup3(parent, FD_CONTROL, O_CLOEXEC) >= 0 &&
	    dup3(channel, FD_CHANNEL, O_CLOEXEC) >= 0 && close_range(FD_CHANNEL + 1, ~0U, 0) == 0;
}

static bool
refuse(const char *dsn, struct buf *text)
{
	introduction_refuse(FD_CHANNEL, dsn, text, false);
	return false;
}

static bool
find_user(struct worker *w, struct str recipient, struct buf *text)
{
	switch (user_find(conf_get(), recipient, &w->user, text)) {
	case USER_FOUND:
		break;
	case USER_UNKNOWN:
		buf_puts(text, "unknown user: \"");
		buf_str(text, recipient);
		buf_putc(text, '"');
		return refuse("5.1.1", text);
	default:
		log_warning("%s", buf_cstr(text));
		return refuse("4.3.0", text);
	}
	/* What a name service has left open, a root's connection to a database, does not go on. */
	if (close_range(FD_CHANNEL + 1, ~0U, 0) != 0) {
		buf_printf(text, "cannot close descriptors: %s", strerror(errno));
		return refuse("4.3.0", text);
	}
	return true;
}

/* The user that the process is to be: in a suite run by an ordinary user, always that one. */
static uid_t
become_uid(const struct worker *w)
{
	return service_unprivileged() ? geteuid() : w->user.uid;
}

static bool
become(struct worker *w, struct buf *text)
{
	struct buf why = {0};
	gid_t group;
	bool more = w->mailbox.in_spool && user_spool_group(w->mailbox.base, &w->user, &group);
	bool ok =
	    service_become(become_uid(w), w->user.gid, &group, more ? 1 : 0, SANDBOX_FILES, &why);

	if (!ok) {
		buf_printf(text, "cannot become user \"%s\": %s", w->user.name, buf_cstr(&why));
		log_error("%s", buf_cstr(text));
		(void)refuse("4.3.0", text);
	}
	buf_free(&why);
	return ok;
}

/* --- As the user ------------------------------------------------------------------------------------ */

static unsigned
lock_bits(void)
{
	static const struct {
		struct str name;
		unsigned bit;
	} names[] = {
	    {{"fcntl", 5}, MBOX_LOCK_FCNTL},
	    {{"flock", 5}, MBOX_LOCK_FLOCK},
	    {{"dotlock", 7}, MBOX_LOCK_DOTLOCK},
	};
	struct str rest = conf_str(conf_get(), P_mailbox_delivery_lock), item;
	unsigned bits = 0;

	while (conf_list_next(&rest, &item))
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (str_eq_nocase(item, names[i].name))
				bits |= names[i].bit;
	return bits;
}

static void
open_maildir(struct worker *w)
{
	char host[256] = "localhost";

	if (gethostname(host, sizeof(host) - 1) != 0)
		log_warning("gethostname: %s", strerror(errno));
	w->maildir = maildir_new(w->mailbox.base, w->mailbox.path, become_uid(w), host);
	maildir_limit(w->maildir, (uint64_t)conf_int(conf_get(), P_mailbox_size_limit));
}

static void
open_mbox(struct worker *w)
{
	const struct conf *conf = conf_get();
	const struct mbox_options options = {
	    .base = w->mailbox.base,
	    .path = w->mailbox.path,
	    .owner = become_uid(w),
	    .locks = lock_bits(),
	    .stale = conf_time(conf, P_stale_lock_time),
	    .size_limit = (uint64_t)conf_int(conf, P_mailbox_size_limit),
	    .any_owner = !conf_bool(conf, P_strict_mailbox_ownership),
	};

	w->mbox = mbox_new(&options);
}

static bool
settle(struct worker *w, struct buf *text)
{
	struct stat st;

	umask(077);
	/* Too large a file is an error of write(), not the end. */
	signal(SIGXFSZ, SIG_IGN);
	if (chdir("/") != 0) {
		buf_printf(text, "/: %s", strerror(errno));
		return refuse("4.3.0", text);
	}
	if (conf_bool(conf_get(), P_require_home_directory) && stat(w->user.home, &st) != 0) {
		buf_printf(text, "home directory of \"%s\" (require_home_directory): %s: %s",
		    w->user.name, w->user.home, strerror(errno));
		return refuse("4.2.0", text);
	}
	if (w->mailbox.maildir)
		open_maildir(w);
	else
		open_mbox(w);
	return true;
}

/* --- On fibers -------------------------------------------------------------------------------------- */

size_t
worker_window(const struct worker *w)
{
	return w->maildir ? MAILDIR_WINDOW : MBOX_WINDOW;
}

static void
delivery_fiber(void *arg)
{
	struct delivery *d = arg;

	if (d->worker->maildir)
		maildir_deliver(d);
	else
		mbox_deliver(d);
}

/* The parent has looked at the introduction and left it in the socket. */
static bool
begin(struct worker *w)
{
	const struct msg_agent_ready ready = {.window = worker_window(w)};
	struct arena *arena = arena_new(0);
	struct msg_agent_open introduction;
	bool ok = ipc_recv_one(w->channel, arena, &msg_agent_open, &introduction) == IPC_OK &&
	    ipc_send(w->channel, &msg_agent_ready, &ready) == IPC_OK &&
	    ipc_flush(w->channel) == IPC_OK;

	arena_free(&arena);
	return ok;
}

static void
reader(void *arg)
{
	struct worker *w = arg;
	struct delivery *d;

	while (!atomic_load(&w->given_up) && (d = delivery_receive(w))) {
		fiber_spawn("delivery", delivery_fiber, d);
		while (w->open >= worker_window(w) &&
		    fiber_wait(&w->changed, FIBER_FOREVER) == FIBER_OK)
			continue;
	}
	atomic_store(&w->given_up, true);
	w->reading = false;
	fiber_wake_all(&w->changed);
}

static void
on_term(int signo)
{
	struct worker *w = current.worker;

	(void)signo;
	w->told_to_end = true;
	atomic_store(&w->given_up, true);
	if (w->reading)
		fiber_cancel(w->reader);
}

void
worker_serve(struct worker *w)
{
	struct list unsure;

	fiber_waitq_init(&w->changed);
	maildir_start(w);
	list_init(&w->mbox_queue);
	results_start(&w->results, w->channel, &w->changed);
	w->reading = true;
	w->reader = fiber_spawn("reader", reader, w);
	while (w->reading || w->open > 0 || !results_idle(&w->results)) {
		/* A channel that takes no results must bring no more work. */
		if (w->reading && w->results.lost && !atomic_exchange(&w->given_up, true))
			fiber_cancel(w->reader);
		(void)fiber_wait(&w->changed, FIBER_FOREVER);
	}
	results_stop(&w->results);
	ipc_channel_free(&w->channel);
	list_init(&unsure);
	if (!w->all_heard)
		results_unsure(&w->results, &unsure);
	/* With the channel in order to the end, qmgr has what was sent. */
	if (!list_empty(&unsure) && (!w->told_to_end || w->results.lost))
		late_report(w->control, &unsure);
}

static void
first_fiber(void *arg)
{
	struct worker *w = arg;

	w->channel = ipc_channel_new(stream_fd(FD_CHANNEL), "local", "qmgr");
	if (begin(w)) {
		fiber_on_signal(SIGTERM, on_term);
		worker_serve(w);
	}
	ipc_channel_free(&w->channel);
}

int
worker_run(int fd, int control, struct str recipient)
{
	struct worker w = {.control = FD_CONTROL};
	struct buf text = {0};
	bool ok;

	if (!keep_descriptors(fd, control)) {
		log_error("cannot arrange descriptors: %s", strerror(errno));
		return 1;
	}
	ok = find_user(&w, recipient, &text);
	if (ok) {
		/* A home directory is its owner's alone to write in. */
		bool at_home = !service_unprivileged() || w.user.uid == geteuid();

		mailbox_choose(conf_get(), &w.user, at_home, &w.mailbox);
		ok = become(&w, &text) && settle(&w, &text);
	}
	buf_free(&text);
	current.worker = &w;
	if (ok)
		service_worker(first_fiber, &w);
	maildir_free(&w.maildir);
	mbox_free(&w.mbox);
	mailbox_free(&w.mailbox);
	user_free(&w.user);
	return 0;
}
