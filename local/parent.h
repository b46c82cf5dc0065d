/*
 * parent - the part of local that stays root
 *
 * Accepts qmgr's channels, looks at their introduction, and forks a worker for each, which becomes the
 * mailbox's user. One thread, one poll loop, no fibers: what it does with bytes from outside is in
 * introduction.c.
 */
#ifndef POSTKEEP_LOCAL_PARENT_H
#define POSTKEEP_LOCAL_PARENT_H

#include <stddef.h>

/* The service's parent(): runs until master orders it to end, and its workers have. */
int parent_run(const int *listen_fds, size_t n);

/*
 * What a worker asks on its control socket, and the answer: a datagram of one byte each. YES comes with
 * the descriptor of a new connection to private/qmgr-report, NO without: try again. LAST may come with
 * one, too, but the suite is being stopped and nobody will wait for long.
 */
#define PARENT_ASK_REPORT 'R'
#define PARENT_ANSWER_YES 'Y'
#define PARENT_ANSWER_LAST 'L'
#define PARENT_ANSWER_NO 'N'

#endif
