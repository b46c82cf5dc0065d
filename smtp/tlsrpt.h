/*
 * tlsrpt - what is told of the TLS of one connection (TLSRPT, RFC 8460)
 *
 * Of each attempt to use a server one result: the first failure, or success. A server that could not be
 * reached says nothing about TLS, and nothing is told of it, nor where no TLS was wanted.
 */
#ifndef POSTKEEP_SMTP_CLIENT_TLSRPT_H
#define POSTKEEP_SMTP_CLIENT_TLSRPT_H

#include "lib/dns/mx.h"
#include "lib/tls/tls.h"
#include "smtp/delivery.h"

struct sts;

struct tlsrpt {
	struct collector *to; /* NULL: nothing is told */
	struct arena *arena;
	struct msg_tlsrpt_note note;
	bool known; /* NOTE has a result */
	/* MTA-STS, mode testing: failures change nothing, and are logged. */
	bool testing;
	struct str missing,
	    missing_why; /* the policy of MTA-STS that could not be had: result and reason */
	struct str id;   /* of the message, for the log */
	enum tls_feature feature; /* how far TLS came: untried, used or failed */
};

/* Of an attempt to use SERVER, of which POLICY says what is wanted; D's arena must outlive T. */
void tlsrpt_begin(struct tlsrpt *t, struct delivery *d, const struct servers *servers,
    const struct server *server, const struct tls_policy *policy);
/* The policy that counts is DANE, with these records. */
void tlsrpt_dane(struct tlsrpt *t, const struct dns_tlsa_answer *answer);
/* It is this one of MTA-STS; or there should have been one, and it could not be had. */
void tlsrpt_sts(struct tlsrpt *t, const struct sts *sts);
/* There is a connection: our address is known. */
void tlsrpt_connected(struct tlsrpt *t, const struct stream *stream);
/* RESULT: of RFC 8460 section 4.3. REASON: in words. */
void tlsrpt_failed(struct tlsrpt *t, const char *result, struct str reason);
void tlsrpt_succeeded(struct tlsrpt *t);
/* The attempt is over: what is known is told. Without it, as when a kept connection serves, nothing is. */
void tlsrpt_end(struct tlsrpt *t);

#endif
