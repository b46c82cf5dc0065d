/*
 * secure - what TLS a server has to speak, and speaking it
 *
 * What cannot be protected as the policy demands waits, with a code 4.7.x: it does not go out in clear.
 */
#ifndef POSTKEEP_SMTP_CLIENT_SECURE_H
#define POSTKEEP_SMTP_CLIENT_SECURE_H

#include "lib/tls/tls.h"
#include "smtp/delivery.h"
#include "smtp/tlsrpt.h"

/*
 * The policy for the next hop: smtp_tls_policy_maps, else what main.cf says. False: F; nothing is known
 * of what is demanded. Waits.
 */
bool secure_policy(struct delivery *d, const struct servers *servers, struct tls_policy *policy,
    struct failure *f);
/* What TLSA records say of SERVER, when the policy's level is dane or dane-only. False: F. Waits. */
bool secure_dane(struct delivery *d, const struct server *server, struct tls_policy *policy,
    struct tlsrpt *rpt, struct failure *f);

enum secure_result {
	SECURE_OK,
	SECURE_CLEAR, /* no TLS to be had, and none demanded: another connection in clear */
	SECURE_AGAIN, /* an old session may be to blame: another connection with TLS */
	SECURE_FAILED,
};
/* No TLS with this server: SECURE_CLEAR where POLICY lets it, else SECURE_FAILED. */
enum secure_result secure_given_up(const struct tls_policy *policy, struct tlsrpt *rpt);
/*
 * The handshake on C (the server has agreed to it, or expects nothing else). Sets c->tls. SECURE_FAILED:
 * F. Waits.
 */
enum secure_result secure_start(struct delivery *d, struct connection *c,
    const struct servers *servers, const struct server *server, const struct tls_policy *policy,
    struct tlsrpt *rpt, struct failure *f);

#endif
