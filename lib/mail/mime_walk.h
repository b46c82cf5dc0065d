/*
 * mime_walk - the MIME structure of a message (RFC 2045, RFC 2046), in pieces of any size
 *
 * Content in wire form is pushed in; header fields, empty lines, text and delimiter lines come out of
 * callbacks, which together are every byte that went in, in order. Nothing is an error: what no rule
 * explains is text. Memory: one header field (at most field_max), one line that may be a delimiter, and a
 * boundary for each level. Cost is linear: a line is compared with at most depth_max boundaries.
 *
 * Where parsers disagree this one does what most readers do: the first of two Content-Type: fields
 * counts; a multipart/ without a boundary is a leaf; a delimiter line is "--boundary", optional "--",
 * white space, and nothing else; a delimiter of an outer level ends all levels within; attached messages
 * (message/rfc822, and parts of multipart/digest without a type) are walked into unless they are labelled
 * as encoded. A LF alone ends a line too.
 */
#ifndef POSTKEEP_MAIL_MIME_WALK_H
#define POSTKEEP_MAIL_MIME_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

/* Whose header a field stands in. */
enum mime_header {
	MIME_HEADER_FIRST,  /* the message's own */
	MIME_HEADER_PART,   /* of a part of a multipart/ */
	MIME_HEADER_NESTED, /* of an attached message */
};

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART,
	MIME_MESSAGE, /* an attached message follows */
};

/* Content-Transfer-Encoding: (RFC 2045 section 6.1). */
enum mime_transfer {
	MIME_TRANSFER_NONE, /* no label: 7bit */
	MIME_TRANSFER_7BIT,
	MIME_TRANSFER_8BIT,
	MIME_TRANSFER_BINARY,
	MIME_TRANSFER_QUOTED,
	MIME_TRANSFER_BASE64,
	MIME_TRANSFER_OTHER,
};

/* What a header said of the body behind it. */
struct mime_part {
	enum mime_header header;
	enum mime_kind kind;
	enum mime_transfer transfer;
	bool mime_version; /* there is a MIME-Version: */
	bool typed;        /* there is a Content-Type: */
	bool text;         /* text/…, or no type */
	bool fragment;     /* message/partial or message/external-body: must not be encoded */
	bool message;      /* message/… other than these, and not walked into */
	bool container; /* multipart/, message/rfc822; as a leaf: without boundary, or too deep */
};

enum mime_text {
	MIME_TEXT_BODY,      /* of a leaf */
	MIME_TEXT_BETWEEN,   /* before the first and behind the last part of a multipart/ */
	MIME_TEXT_DELIMITER, /* a whole line "--boundary" with its line end */
};

/* Each returns false to stop the walk for good. */
struct mime_events {
	/* A whole field with its line ends; or, !WHOLE, a piece of one that is larger than field_max. */
	bool (*field)(void *arg, enum mime_header header, struct str field, bool whole);
	/* The header is over. LINE is the empty line; empty where there was none. */
	bool (*header_end)(void *arg, const struct mime_part *part, struct str line);
	/* A piece of any size, but never of zero. */
	bool (*text)(void *arg, enum mime_text what, struct str piece);
	/*
	 * The body of the leaf is over: before the delimiter that ended it (DELIMITED; the last line end
	 * of the text then belongs to the delimiter), or at the end of all.
	 */
	bool (*leaf_end)(void *arg, bool delimited);
};

struct mime_limits {
	size_t field_max;    /* header_size_limit */
	size_t depth_max;    /* mime_nesting_limit: containers within each other */
	size_t boundary_max; /* mime_boundary_length_limit: a longer one is none */
};

struct mime_walk;
struct mime_walk *mime_walk_new(
    const struct mime_limits *limits, const struct mime_events *events, void *arg);
void mime_walk_free(struct mime_walk **w);
/* More content; the content is complete. False: an event said so. */
bool mime_walk_data(struct mime_walk *w, struct str piece);
bool mime_walk_end(struct mime_walk *w);

#endif
