/*
 * fail - what the shim and the two sources of its wrappers share: see fail.c
 */
#ifndef POSTKEEP_TESTS_TORTURE_FAIL_H
#define POSTKEEP_TESTS_TORTURE_FAIL_H

#include <stdbool.h>
#include <stddef.h>

/* The kinds of calls. tests/torture/inject.py has the same list. */
enum fail_kind {
	FAIL_WRITE, /* to regular files */
	FAIL_SEND,  /* on sockets, whatever the call */
	FAIL_READ,  /* from regular files */
	FAIL_RECV,  /* on sockets */
	FAIL_SYNC,
	FAIL_OPEN,
	FAIL_RENAME, /* links too */
	FAIL_UNLINK,
	FAIL_TRUNCATE,
	FAIL_ACCEPT,
	FAIL_SOCKET, /* socket pairs, pipes and duplicates of descriptors too */
	FAIL_CONNECT,
	FAIL_FORK,
	FAIL_MKDIR,
	FAIL_STAT,
	FAIL_CLOSE, /* of regular files */
	FAIL_LOCK,
	FAIL_OWN,  /* owner and mode */
	FAIL_LIST, /* directories */
	FAIL_PIPE, /* reads and writes; not for programs with an event loop, whose own pipes never fail */
	FAIL_KINDS,
};

enum fail_verdict { FAIL_NOT, FAIL_CALL, FAIL_SHORT, FAIL_TORN };

/*
 * Is this call of KIND to fail? On FAIL_CALL errno is set. FAIL_SHORT: it is to do half of its work.
 * FAIL_TORN: half, and then to fail. NAME: of the call, for the report.
 */
enum fail_verdict fail_ask(enum fail_kind kind, const char *name);
/* fail_ask() for a read or write on FD, whose kind follows from what it is. N: bytes asked for. */
enum fail_verdict fail_ask_fd(int fd, bool write, size_t n, const char *name);
/* What a torn call ends with: sets errno, -1. */
int fail_torn(void);

#endif
