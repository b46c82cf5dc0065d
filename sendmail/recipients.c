/*
 * recipients - from headers and command line words to envelope addresses; see recipients.h
 */
#include "sendmail/recipients.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/ipc/messages.h"
#include "lib/mail/address.h"
#include "lib/mail/header.h"

/*
 * The external form of what the header parser found, checked by parsing it again: only what is an
 * address for the rest of the suite leaves here.
 */
static bool
external(const struct header_address *found, struct arena *a, struct mail_address *address,
    struct str *text, struct buf *why)
{
	const struct mail_address draft = {.local = found->local, .domain = found->domain};
	struct buf written = {0};
	struct buf cause = {0};
	bool ok;

	address_write(&draft, &written);
	*text = arena_str(a, buf_view(&written));
	ok = address_parse(
	    *text, ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL, a, address, &cause);
	if (ok && text->len > MSG_ADDRESS_MAX) {
		buf_puts(&cause, "too long");
		ok = false;
	}
	if (!ok)
		buf_printf(why, "bad address \"%.*s\": %.*s", STR_ARG(str_sub(*text, 0, 200)),
		    STR_ARG(buf_view(&cause)));
	buf_free(&written);
	buf_free(&cause);
	return ok;
}

static void
add(struct recipients *r, struct str text)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 16;
		r->list = mem_resize(r->list, r->cap * sizeof(*r->list));
	}
	r->list[r->n++] = text;
}

static bool
add_all(
    struct recipients *r, const struct header_addresses *found, struct arena *a, struct buf *why)
{
	if (found->truncated) {
		buf_puts(why, "too many recipients");
		return false;
	}
	for (size_t i = 0; i < found->n; i++) {
		struct mail_address address;
		struct str text;

		if (!external(&found->list[i], a, &address, &text, why))
			return false;
		r->utf8 |= address.utf8;
		add(r, text);
	}
	return true;
}

bool
recipients_add_word(struct recipients *r, struct str word, struct arena *a, struct buf *why)
{
	struct header_addresses found = {0};

	header_addresses(word, a, RECIPIENTS_MAX - r->n, &found);
	if (found.n == 0) {
		buf_printf(why, "no address in \"%.*s\"", STR_ARG(str_sub(word, 0, 200)));
		return false;
	}
	return add_all(r, &found, a, why);
}

bool
recipients_add_header(struct recipients *r, struct str header, struct arena *a, struct buf *why)
{
	struct header_addresses found = {0};

	header_recipients(header, a, RECIPIENTS_MAX - r->n, &found);
	return add_all(r, &found, a, why);
}

void
recipients_free(struct recipients *r)
{
	free(r->list);
	*r = (struct recipients){0};
}

bool
sender_from_word(
    struct str word, struct arena *a, struct str *sender, bool *several, struct buf *why)
{
	struct header_addresses found = {0};
	struct mail_address address;

	header_addresses(word, a, 2, &found);
	*several = found.n > 1;
	*sender = STR_EMPTY;
	return found.n == 0 || external(&found.list[0], a, &address, sender, why);
}
