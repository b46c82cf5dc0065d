/*
 * flush - deferred mail is due now: see flush.h
 */
#include "qmgr/flush.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/base/siphash.h"
#include "lib/conf/conf.h"
#include "lib/fiber/fiber.h"
#include "lib/table/table.h"
#include "qmgr/dead.h"
#include "qmgr/notice.h"
#include "qmgr/outage.h"
#include "qmgr/slots.h"

/* Values of .site that are no hash. */
#define SITE_UNKNOWN 0
#define SITE_SEVERAL 1

static struct {
	uint64_t
	    key[2]; /* so that nobody outside can choose domains that are taken for each other */
	bool for_stranger;
	bool choosing;
	struct fiber_waitq turn; /* to choose */
} state;

/* --- What is known of messages --------------------------------------------------------------------- */

static struct str
domain_of(struct str address)
{
	size_t at = str_rchr(address, '@');

	return at == STR_NPOS ? STR_EMPTY : str_from(address, at + 1);
}

static uint32_t
site_hash(struct str domain)
{
	struct siphash h;
	uint32_t hash;

	siphash_init(&h, state.key);
	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.data[i];

		c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		siphash_update(&h, &c, 1);
	}
	hash = (uint32_t)siphash_final(&h);
	return hash > SITE_SEVERAL ? hash : SITE_SEVERAL + 1;
}

void
flush_init(void)
{
	random_bytes(state.key, sizeof(state.key));
	fiber_waitq_init(&state.turn);
}

void
flush_note(uint32_t *site, struct str address)
{
	uint32_t hash;

	if (*site == SITE_SEVERAL)
		return;
	hash = site_hash(domain_of(address));
	*site = *site == SITE_UNKNOWN || *site == hash ? hash : SITE_SEVERAL;
}

/* --- Which messages -------------------------------------------------------------------------------- */

struct choice_job {
	int fd;
	const struct msg_flush *wanted; /* text in lower case */
	bool from, to_site, to;         /* what is wanted was found */
	uint32_t known;                 /* what is found out on the way */
};

static void
put_lower(struct buf *out, struct str text)
{
	buf_str(out, text);
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] >= 'A' && out->data[i] <= 'Z')
			out->data[i] = (char)(out->data[i] - 'A' + 'a');
}

/* WANTED is in lower case. */
static bool
contains(struct str address, struct str wanted)
{
	struct buf lower = {0};
	bool found = wanted.len == 0;

	if (!found) {
		put_lower(&lower, address);
		found = str_find(buf_view(&lower), wanted) != STR_NPOS;
	}
	buf_free(&lower);
	return found;
}

/* N recipients, the first of whom is FIRST: is there one that waits, goes there, is that one? */
static void
look_at(struct choice_job *job, const struct spool_message *m, const struct slot_rcpt *rcpts,
    uint32_t first, size_t n)
{
	const struct msg_flush *wanted = job->wanted;

	for (size_t i = 0; i < n; i++) {
		struct str address = rcpts[i].address;

		if (m->marks[first + i].state != SLOT_RCPT_TODO)
			continue;
		job->to_site = job->to_site || wanted->site.len == 0 ||
		    str_eq_nocase(domain_of(address), wanted->site);
		job->to = job->to || contains(address, wanted->recipient) ||
		    contains(rcpts[i].orig, wanted->recipient);
		flush_note(&job->known, address);
	}
}

static void
look_into(void *arg)
{
	struct choice_job *job = arg;
	struct arena *a = arena_new(1024), *piece = arena_new(0);
	struct spool_message m;
	struct spool_cursor cursor;
	struct slot_rcpt *rcpts;
	struct buf why = {0};
	size_t n = 1;

	if (spool_load_begin(job->fd, false, a, &m, &cursor, NULL, 0, &why) != SPOOL_OK) {
		n = 0;
	} else {
		/* As it is listed. */
		job->from =
		    contains(m.envelope.sender.len > 0 ? m.envelope.sender : STR("mailer-daemon"),
			job->wanted->sender);
		look_at(job, &m, m.envelope.rcpts, 0, m.envelope.n_rcpts);
		n = m.envelope.n_rcpts == 0;
	}
	while (n > 0) {
		uint32_t first = cursor.index;

		arena_reset(piece);
		if (spool_next_rcpts(job->fd, &m.header, &cursor, SPOOL_PIECE_RCPTS, piece, &rcpts,
			&n, &why) != SPOOL_OK)
			break;
		look_at(job, &m, rcpts, first, n);
	}
	buf_free(&why);
	arena_free(&piece);
	arena_free(&a);
}

/* Is the message in SLOT, which waits, one of those? Waits. */
static bool
is_wanted(struct slot *slot, const struct msg_flush *wanted)
{
	struct choice_job job = {.wanted = wanted};
	bool waits;

	if (wanted->site.len > 0 && slot->site > SITE_SEVERAL &&
	    slot->site != site_hash(wanted->site))
		return false;
	if (wanted->sender.len + wanted->recipient.len == 0 &&
	    (wanted->site.len == 0 || slot->site > SITE_SEVERAL))
		return true;
	if (!slots_use(slot))
		return false;
	job.fd = slot->fd;
	fiber_offload(FIBER_POOL_READ, look_into, &job);
	waits = slot->use == SLOT_USE_WAITING && slot->state != SLOT_HOLD;
	if (waits)
		slot->site = job.known;
	slots_unuse(slot);
	return waits && job.from && job.to_site && job.to;
}

/* What waits for a dead destination goes when a probe has succeeded, which is tried now. */
static void
flush_slot(struct slot *slot, bool by_name)
{
	if (slot->parked.at && !by_name) {
		dead_probe_for(slot);
		return;
	}
	slot->flushed = true;
	slots_schedule(slot, 0);
}

/* One message by its name. */
static size_t
flush_one(struct str id)
{
	struct slot *slot = slots_find(id);

	if (!slot || slot->use != SLOT_USE_WAITING || slot->state == SLOT_HOLD)
		return 0;
	flush_slot(slot, true);
	return 1;
}

/* All that WANTED, whose text is in lower case, says something of. */
static size_t
flush_each(const struct msg_flush *wanted)
{
	struct slot *slot;
	uint32_t at = 0;
	size_t n = 0;

	while ((slot = slots_next(&at))) {
		if (slot->use != SLOT_USE_WAITING || slot->state == SLOT_HOLD ||
		    !is_wanted(slot, wanted))
			continue;
		flush_slot(slot, false);
		n++;
	}
	return n;
}

/* The same where messages have to be read for it: one such flush at a time, whoever asks. */
static size_t
flush_chosen(const struct msg_flush *wanted)
{
	struct buf sender = {0}, recipient = {0};
	struct msg_flush lower = *wanted;
	size_t n;

	while (state.choosing)
		if (fiber_wait(&state.turn, FIBER_FOREVER) == FIBER_CANCELED)
			return 0;
	put_lower(&sender, wanted->sender);
	put_lower(&recipient, wanted->recipient);
	lower.sender = buf_view(&sender);
	lower.recipient = buf_view(&recipient);
	state.choosing = true;
	n = flush_each(&lower);
	state.choosing = false;
	fiber_wake_one(&state.turn);
	buf_free(&sender);
	buf_free(&recipient);
	return n;
}

size_t
flush_messages(const struct msg_flush *wanted)
{
	notice_retry();
	outage_retry_all();
	if (wanted->id.len > 0)
		return flush_one(wanted->id);
	if (wanted->site.len + wanted->sender.len + wanted->recipient.len > 0)
		return flush_chosen(wanted);
	dead_probe_all();
	return flush_each(wanted);
}

/* --- ETRN ---------------------------------------------------------------------------------------------- */

static bool
parents_match(const struct conf *conf)
{
	struct str rest = conf_str(conf, P_parent_domain_matches_subdomains), item;

	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(item, STR("fast_flush_domains")))
			return true;
	return false;
}

static enum flush_answer
may_ask_for(struct str site)
{
	const struct conf *conf = conf_get();
	enum flush_answer answer = FLUSH_NOT_NOW;
	struct match_list *list;
	struct buf why = {0};

	list = match_list_new_for(MATCH_DOMAIN, parents_match(conf),
	    conf_str(conf, P_fast_flush_domains), "fast_flush_domains", false, &why);
	if (list)
		switch (match_list_has(list, site, STR_EMPTY, &why)) {
		case TABLE_FOUND:
			answer = FLUSH_STARTED;
			break;
		case TABLE_NOT_FOUND:
			answer = FLUSH_NOT_ALLOWED;
			break;
		default:
			break;
		}
	if (answer == FLUSH_NOT_NOW)
		log_warning("fast_flush_domains: %s", buf_cstr(&why));
	match_list_free(&list);
	buf_free(&why);
	return answer;
}

enum flush_answer
flush_for_stranger(struct str site)
{
	enum flush_answer answer;

	if (state.for_stranger)
		return FLUSH_NOT_NOW;
	state.for_stranger = true;
	answer = may_ask_for(site);
	if (answer == FLUSH_STARTED)
		log_info("flush of %.*s by ETRN: %zu messages", STR_ARG(site),
		    flush_messages(&(struct msg_flush){.site = site}));
	state.for_stranger = false;
	return answer;
}
