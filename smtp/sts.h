/*
 * sts - what a domain says of the TLS of its servers (MTA-STS, RFC 8461)
 *
 * Asked of mtasts, which fetches and keeps policies; here they are obeyed. TLSA records go before (section 2).
 */
#ifndef POSTKEEP_SMTP_CLIENT_STS_H
#define POSTKEEP_SMTP_CLIENT_STS_H

#include "lib/tls/tls.h"
#include "smtp/delivery.h"
#include "smtp/tlsrpt.h"

struct sts {
	enum sts_mode mode;
	struct str mx; /* patterns, separated by spaces */
	struct str domain;
	uint64_t max_age;         /* seconds, as the policy has it */
	struct str why, failure;  /* why there is none to be had, see msg_sts_answer */
	struct tls_policy strict; /* STS_TESTING: what would be demanded */
};

/* Channels to mtasts, which deliveries share. */
struct sts_client;
struct sts_client *sts_client_new(const char *path);
void sts_client_free(struct sts_client **s);

/*
 * The policy of the next hop's domain; STS_NONE where there is none to be, as for a host in brackets, or
 * where POLICY demands no TLS, or more than it could say. False: F; mtasts does not answer, so what is
 * demanded is not known. Waits.
 */
bool sts_find(struct delivery *d, const struct servers *servers, const struct tls_policy *policy,
    struct sts *sts, struct failure *f);
/* What follows for SERVER: a stricter policy, or false with F: mail must not go there. */
bool sts_apply(struct delivery *d, struct sts *sts, const struct server *server,
    struct tls_policy *policy, struct tlsrpt *rpt, struct failure *f);

/* RFC 8461 section 4.1: is HOST one of the patterns? '*' stands for one whole label, the leftmost. */
bool sts_match(struct str patterns, struct str host);
/* The id of a TXT record "v=STSv1; id=20160831085700Z;" (section 3.1); false if it is none. */
bool sts_record_id(struct str txt, struct str *id);

#endif
