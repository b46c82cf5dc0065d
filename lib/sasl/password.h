/*
 * password - who to log in as: smtp_sasl_password_maps
 *
 * Tables with "user:password" per sender, server or next hop, as Postfix has them.
 */
#ifndef POSTKEEP_SASL_PASSWORD_H
#define POSTKEEP_SASL_PASSWORD_H

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/sasl/sasl.h"
#include "lib/table/table.h"

struct sasl_passwords;

/*
 * Reads PREFIX_sasl_password_maps, …_password_result_delimiter and
 * PREFIX_sender_dependent_authentication. Before confinement and with the rights of the one who runs it:
 * file tables are read now and for good, their paths added to PATHS (NULL: not wanted). Never NULL: a table
 * that cannot be read gives TABLE_ERROR at each search that gets as far as it.
 */
struct sasl_passwords *sasl_passwords_new(
    const struct conf *conf, const char *prefix, struct table_paths *paths);
void sasl_passwords_free(struct sasl_passwords **p);

/*
 * Searched for, in this order: SENDER (with smtp_sender_dependent_authentication, when it is not empty):
 * user+extension@domain, user@domain, @domain; HOST, the name of the server that was connected to; NEXTHOP,
 * as the transport table or relayhost has it: "[relay.example]:587".
 * TABLE_FOUND: ACCOUNT has it. TABLE_NOT_FOUND: this server gets no login. TABLE_ERROR: WHY, also of an
 * entry without a name or a password; the message waits. Waits on a fiber when a table is asked by proxymap.
 */
enum table_status sasl_passwords_find(struct sasl_passwords *p, struct str sender, struct str host,
    struct str nexthop, struct sasl_account *account, struct buf *why);

#endif
