/*
 * settings_private - what a login asks of the settings. Nobody outside lib/sasl includes it.
 */
#ifndef POSTKEEP_SASL_SETTINGS_PRIVATE_H
#define POSTKEEP_SASL_SETTINGS_PRIVATE_H

#include "lib/sasl/sasl.h"

/* "smtp" or "lmtp". */
const char *sasl_settings_service(const struct sasl_settings *s);
bool sasl_settings_authzid(const struct sasl_settings *s);
/* May the mechanism NAME be used? */
enum table_status sasl_settings_filter(
    const struct sasl_settings *s, struct str name, struct buf *why);
const char *sasl_settings_filter_name(const struct sasl_settings *s);
/* The properties demanded of mechanisms. False with WHY: the parameter has a word that is none. */
bool sasl_settings_options(const struct sasl_settings *s, enum sasl_channel channel,
    unsigned *properties, struct buf *why);
/* The parameter that decides, and its value. */
const char *sasl_settings_options_name(const struct sasl_settings *s, enum sasl_channel channel);
void sasl_settings_put_options(
    const struct sasl_settings *s, enum sasl_channel channel, struct buf *out);

#endif
