/*
 * intake_private - what the two halves of intake share: the stream (intake.c) and the rules for header
 * fields (rules.c). Nobody else includes it.
 */
#ifndef POSTKEEP_INTAKE_INTAKE_PRIVATE_H
#define POSTKEEP_INTAKE_INTAKE_PRIVATE_H

#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/intake/intake.h"
#include "lib/mail/header.h"

/* Fields whose absence or presence matters. */
enum intake_seen {
	INTAKE_SEEN_FROM = 1,
	INTAKE_SEEN_DATE = 2,
	INTAKE_SEEN_MESSAGE_ID = 4,
	INTAKE_SEEN_RECIPIENT = 8, /* To or Cc */
	INTAKE_SEEN_RESENT_FROM = 16,
	INTAKE_SEEN_RESENT_DATE = 32,
	INTAKE_SEEN_RESENT_MESSAGE_ID = 64,
	INTAKE_SEEN_RESENT_RECIPIENT = 128,
	INTAKE_SEEN_RESENT = 256, /* any Resent- field */
};

struct intake {
	struct intake_context context;
	intake_sink *sink;
	void *sink_arg;
	enum intake_status status;
	struct buf why;

	/* Settings, looked up once per message. */
	bool replace_stray;
	size_t field_max;
	uint64_t content_max;
	uint64_t hops_max;
	bool rewrite;  /* addresses in the header are to be qualified */
	bool complete; /* missing fields are to be added */
	struct header_qualify qualify;

	/* The stream. */
	uint64_t received, size;
	bool cr_held; /* a CR was the last byte in */
	bool in_body;
	bool line_open; /* the body's last line lacks its CRLF */
	struct buf out; /* on its way to the sink */

	/* The header. */
	struct buf field; /* the field being gathered, lines with their CRLF */
	size_t lines;     /* whole lines in it */
	bool at_start;    /* nothing but "From " lines so far */
	bool line_start;  /* the next byte begins a line */
	bool cut;         /* the current field was too large: the rest of it is left out */
	bool cut_told;    /* the log has it, once per message */

	/* What the rules found. */
	unsigned seen;
	uint64_t hops;
	struct buf message_id;
};

/* intake.c: a piece of the content to be queued; refuse it all. */
void intake_emit(struct intake *in, struct str s);
enum intake_status intake_refuse(struct intake *in, enum intake_status status, const char *why);

/* rules.c: settings; one field, whole or cut; the header's end. */
void intake_rules_init(struct intake *in);
void intake_field(struct intake *in, struct str field);
void intake_complete_header(struct intake *in);

#endif
