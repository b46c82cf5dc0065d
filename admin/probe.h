/*
 * probe - asks a server for its part of a conversation, step by step
 *
 * What is found out is printed as it is found, each step with its time; the caller says what follows from it.
 */
#ifndef POSTKEEP_ADMIN_PROBE_H
#define POSTKEEP_ADMIN_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/dns/mx.h"
#include "lib/tls/tls.h"

/* Exit statuses, the later the farther it came. */
enum probe_result {
	PROBE_OK = 0,
	PROBE_UNWILLING = 1, /* there is a server, and mail does not go there */
	PROBE_NO_CONNECTION = 2,
	PROBE_NO_ADDRESS = 3, /* DNS */
};

struct probe {
	struct tls_client *tls;
	struct str helo;
	struct str hop;    /* as it was asked for */
	struct str domain; /* of it */
	bool implicit_tls; /* TLS from the start, whatever the port */
	bool timed_out;    /* the last connection was not refused, but not answered */
};

/*
 * "  NAME   12 ms  ok: text", or "FAILED: text" with what the dictionary of replies knows of it. TEXT comes
 * from strangers: it is made printable. STARTED: fiber_now() when the step began.
 */
void probe_step(const char *name, int64_t started, bool ok, struct str text);

/* A connection to TARGET's address, at port PORT, or NULL with errno. At most MS. Waits. */
struct stream *probe_connect(const struct dns_target *target, uint16_t port, int64_t ms);
/* All steps with one server, printed. Waits, within 15 seconds. */
enum probe_result probe_server(struct probe *p, const struct dns_target *target);

#endif
