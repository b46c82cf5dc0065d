/*
 * order - in which order addresses are tried, and how many
 *
 * RFC 5321 section 5.1: by preference; those of equal preference at random. Within equal preference
 * smtp_address_preference puts one family first. When there are more than smtp_mx_address_limit,
 * smtp_balance_inet_protocols sees to it that neither family crowds the other one out: a destination that
 * is reached by one family only is reached.
 */
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/dns/internal.h"

enum preference { PREFER_ANY, PREFER_IPV4, PREFER_IPV6 };

void
dns_shuffle(void *things, size_t n, size_t size)
{
	char *at = things, held[256];

	if (size > sizeof(held))
		log_panic("dns_shuffle: things of %zu bytes", size);
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t)random_below(i);

		if (k == i - 1)
			continue;
		memcpy(held, at + (i - 1) * size, size);
		memcpy(at + (i - 1) * size, at + k * size, size);
		memcpy(at + k * size, held, size);
	}
}

static bool
is_six(const struct dns_target *t)
{
	return t->address.sa.sa_family == AF_INET6;
}

/* Must A come after B? */
static bool
after(const struct dns_target *a, const struct dns_target *b, int preference)
{
	if (a->preference != b->preference)
		return a->preference > b->preference;
	if (preference == PREFER_ANY)
		return false;
	return is_six(a) != is_six(b) && is_six(a) != (preference == PREFER_IPV6);
}

/* Stable, by insertion: mx.c gives a few hundred addresses at most, mostly in order of preference. */
static void
sort(struct dns_target *targets, size_t n, int preference)
{
	for (size_t i = 1; i < n; i++) {
		struct dns_target held = targets[i];
		size_t k = i;

		for (; k > 0 && after(&targets[k - 1], &held, preference); k--)
			targets[k] = targets[k - 1];
		targets[k] = held;
	}
}

/* Keeps the first ones, so that at most SIX and FOUR of each family are left. */
static size_t
keep(struct dns_target *targets, size_t n, size_t six, size_t four)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		size_t *left = is_six(&targets[i]) ? &six : &four;

		if (*left == 0)
			continue;
		(*left)--;
		targets[kept++] = targets[i];
	}
	return kept;
}

static size_t
shorten(struct dns_target *targets, size_t n, const struct dns_hop_settings *settings)
{
	size_t limit = settings->address_limit, half = limit / 2, six = 0, four;

	if (limit == 0 || n <= limit)
		return n;
	if (!settings->balance)
		return limit;
	for (size_t i = 0; i < n; i++)
		six += is_six(&targets[i]);
	four = n - six;
	/* What the smaller family does not use is the other one's; an odd place is of the one tried first. */
	if (six <= half)
		four = limit - six;
	else if (four <= half)
		six = limit - four;
	else {
		six = is_six(&targets[0]) ? limit - half : half;
		four = limit - six;
	}
	return keep(targets, n, six, four);
}

size_t
dns_order(struct dns_target *targets, size_t n, const struct dns_hop_settings *settings)
{
	if (settings->randomize)
		dns_shuffle(targets, n, sizeof(*targets));
	sort(targets, n, settings->preference);
	return shorten(targets, n, settings);
}
