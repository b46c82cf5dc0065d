/*
 * outgoing_private - what the parts of outgoing share: rules and answers (outgoing.c), the content
 * (outgoing_content.c), addresses (outgoing_generic.c), checks (outgoing_checks.c). Nobody else includes it.
 */
#ifndef POSTKEEP_INTAKE_OUTGOING_PRIVATE_H
#define POSTKEEP_INTAKE_OUTGOING_PRIVATE_H

#include <stdint.h>

#include "lib/intake/outgoing.h"
#include "lib/mail/mime_walk.h"
#include "lib/table/maps.h"

enum outgoing_maps {
	OUTGOING_HEADER_CHECKS, /* in the order of enum mime_header */
	OUTGOING_MIME_CHECKS,
	OUTGOING_NESTED_CHECKS,
	OUTGOING_BODY_CHECKS,
	OUTGOING_GENERIC,
	OUTGOING_REPLY_FILTER,
	OUTGOING_STATUS_FILTER,
	OUTGOING_MAPS, /* how many */
};

struct outgoing_rules {
	const struct conf *conf;
	struct table_maps maps[OUTGOING_MAPS];
	struct mime_limits limits;
	bool converts;

	/* For smtp_generic_maps; unset when there are none. */
	struct match_list *mydestination, *own_addresses;
	struct buf local_broken; /* why one of them is missing */
	bool propagate;          /* an extension that no key had goes on */
};

/* A table did not answer: what WHY says, as "4.3.0 …". */
enum outgoing_status outgoing_table_failed(struct buf *why);

/* --- outgoing_generic.c --- */

/* smtp_generic_maps of RULES: do they change ADDRESS (which is not null)? *RESULT in A. */
enum outgoing_status outgoing_generic(const struct outgoing_rules *rules,
    const struct mail_address *address, struct arena *a, struct mail_address *result, bool *changed,
    struct buf *why);
/* The same for the addresses of a header field's VALUE, appended to OUT. */
enum outgoing_status outgoing_generic_field(const struct outgoing_rules *rules, struct str value,
    struct buf *out, bool *changed, struct buf *why);

/* --- outgoing_checks.c --- */

/* What is to become of a header field or a line of a body. */
enum outgoing_action {
	OUTGOING_KEEP,
	OUTGOING_DROP,
	OUTGOING_PREPEND, /* TEXT goes before it */
	OUTGOING_REPLACE, /* TEXT goes in its place */
};
/*
 * What the tables WHICH say of LINE (no line end; a field's inner ones are LF). TEXT is without a line
 * end. What they want logged is logged.
 */
enum outgoing_status outgoing_check(const struct outgoing_rules *rules, enum outgoing_maps which,
    struct str queue_id, struct str line, enum outgoing_action *action, struct buf *text,
    struct buf *why);

#endif
