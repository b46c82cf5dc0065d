/* stream_fixture - a stream over a pair of sockets, and who writes to its other end. */
#ifndef POSTKEEP_TESTS_STREAM_FIXTURE_H
#define POSTKEEP_TESTS_STREAM_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/fiber/stream.h"

/* What a test shares with its fibers; set to zero before every test. */
struct stream_test {
	int fds[2];
	struct stream *s; /* over fds[0] */
	struct str input; /* what the writer sends */
	size_t piece;     /* so many bytes at a time */
	int64_t pause;    /* milliseconds between two */
	struct buf got;   /* what the reader got */
	size_t packets;
	enum stream_status status;
	bool done;
};
extern struct stream_test t;

/* Before every test. */
int reset(void **state);
/* Opens t.s over one end of a socket pair of TYPE; closes it, and the other end. */
void open_pair(int type);
void close_pair(void);
/* Until the calling fiber is the only one. */
void wait_for_others(void);
/* A fiber: sends t.input in pieces to fds[1], then ends that direction. */
void writer(void *arg);

#endif
