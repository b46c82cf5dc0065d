/*
 * tally - how the TLS of one day's connections went, counted (RFC 8460)
 *
 * Per domain, policy and kind of failure. Bounded in domains, in policies of a domain, in kinds of failure of
 * a policy, and in bytes: what finds no room is counted as dropped. Kinds of failure beyond the limit are
 * counted by their result type alone, so that sums stay right.
 */
#ifndef POSTKEEP_TLSRPT_TALLY_H
#define POSTKEEP_TLSRPT_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/ipc/messages.h"

struct tally;

/* One kind of failure: texts with a tab between them, that have none themselves. */
struct tally_detail {
	struct list_link link; /* in its policy */
	uint64_t count;
	struct str text; /* in the order of enum tally_text */
};
enum tally_text { TALLY_RESULT, TALLY_FROM, TALLY_HOST, TALLY_ADDRESS, TALLY_REASON, TALLY_TEXTS };
struct str tally_text(const struct tally_detail *detail, enum tally_text which);

struct tally_policy {
	struct list_link link; /* in its domain */
	enum tlsrpt_policy type;
	struct str strings; /* of the policy, with a tab between them */
	uint64_t successes, failures;
	struct list details; /* struct tally_detail */
};

struct tally_domain {
	struct list_link link; /* in the tally, in the order they came */
	struct str name;
	struct list policies; /* struct tally_policy */
};

struct tally_limits {
	size_t domains;  /* of a day */
	size_t policies; /* of a domain: with TLSA records each server has its own */
	size_t details;  /* of a policy, those by result type alone not counted */
	size_t bytes;    /* of all */
};

/* LIMITS: NULL for the usual ones. */
struct tally *tally_new(const struct tally_limits *limits);
/* Sets *T to NULL; NULL is accepted. */
void tally_free(struct tally **t);
/*
 * Counts NOTE once. Its texts may be a stranger's: control characters become blanks. False: there was no
 * room, or it makes no sense (no domain, an unknown result).
 */
bool tally_add(struct tally *t, const struct msg_tlsrpt_note *note);
const struct list *tally_domains(const struct tally *t); /* struct tally_domain */
/* Notes for which there was no room. */
uint64_t tally_dropped(const struct tally *t);

/* As lines of text; and back, into an empty tally: lines that make no sense are passed over. */
void tally_write(const struct tally *t, struct buf *out);
void tally_read(struct tally *t, struct str text);

#endif
