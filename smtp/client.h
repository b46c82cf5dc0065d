/*
 * client - what all deliveries of the process share
 *
 * Read before confinement; nothing is opened later. In tests what is not needed is NULL.
 */
#ifndef POSTKEEP_SMTP_CLIENT_CLIENT_H
#define POSTKEEP_SMTP_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/fiber/fiber.h"
#include "lib/intake/outgoing.h"
#include "lib/sasl/password.h"
#include "lib/sasl/sasl.h"
#include "lib/service/watch.h"
#include "lib/table/maps.h"
#include "lib/tls/tls.h"
#include "smtp/cache.h"
#include "smtp/chunking.h"
#include "smtp/port25.h"
#include "smtp/server.h"
#include "smtp/settings.h"

#define LOGINS_MAX 32

struct collector;
struct late;
struct sts_client;

/* What is remembered of logins, each a number that only this process can make. Ready when zeroed. */
struct logins {
	uint64_t key[2];
	bool ready;
	struct {
		uint64_t sum;
		int64_t until; /* clock_mono_ms() */
	} refused[LOGINS_MAX];
	uint64_t proved[LOGINS_MAX]; /* have gone well */
	uint64_t tried[LOGINS_MAX];  /* by a session, right now, for the first time; 0: free */
	size_t next_refused, next_proved;
	struct fiber_waitq ended; /* such a try has */
};

struct client {
	struct settings settings;
	struct cache *cache; /* of idle connections */
	struct late *late;   /* what qmgr may not have heard; NULL: nothing is kept */
	/* connect_to(), or what a test has in its place */
	struct stream *(*connect)(const struct settings *st, const struct server *server);

	struct match_list *own; /* addresses of this machine */
	struct tls_client *tls; /* NULL: no TLS at all */
	struct table_maps tls_policies;
	struct sts_client *sts;      /* NULL: no MTA-STS */
	struct collector *collector; /* NULL: nothing is told of TLS */
	struct sasl_settings *sasl;  /* NULL: no logins */
	struct sasl_passwords *passwords;
	struct table_maps discard_maps; /* by the server's address: EHLO keywords to overlook */
	struct buf only4, only6;    /* the addresses to come from that inet_interfaces implies */
	struct table_maps pix_maps; /* and what to do about faulty firewalls */
	struct match_list *keep;    /* next hops whose connections are kept in any case */
	struct logins logins;
	struct port25 port25;
	struct chunking chunking;     /* servers whose offer of it is not to be believed */
	struct outgoing_rules *rules; /* NULL: content and addresses go as they are */
	struct table_paths paths;     /* files that were read */
	struct watch *watch;          /* of them, and of those of DNS and TLS */
};

/* Reads all that the client needs of CONF and of files. False with WHY. Not on a fiber. */
bool client_prepare(struct client *client, const struct conf *conf, bool lmtp, struct buf *why);

#endif
