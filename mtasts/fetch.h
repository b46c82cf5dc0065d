/*
 * fetch - the policy of a domain, by HTTPS (RFC 8461 section 3.3)
 */
#ifndef POSTKEEP_MTASTS_FETCH_H
#define POSTKEEP_MTASTS_FETCH_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/conf/conf.h"

/* Before confinement: authorities, and libcurl with all it opens. False: WHY. */
bool fetch_prepare(const struct conf *conf, struct buf *why);
/* The file of authorities that was read, or looked for. */
const char *fetch_file(const struct conf *conf);
/*
 * The text of https://mta-sts.DOMAIN/.well-known/mta-sts.txt, at most 64 KiB, in at most a minute: the
 * certificate is checked, no other place is gone to. DOMAIN is a host name in ASCII. Several fibers may
 * fetch at the same time; some wait for their turn. False: WHY, and FAILURE, in a
 * word of RFC 8460 section 4.3. Waits.
 */
bool fetch_policy(struct str domain, struct buf *text, struct buf *why, const char **failure);

#endif
