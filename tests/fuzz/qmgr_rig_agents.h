/* qmgr_rig_agents - the sockets of a delivery agent and of bounce, with a script behind each */
#ifndef POSTKEEP_TESTS_QMGR_RIG_AGENTS_H
#define POSTKEEP_TESTS_QMGR_RIG_AGENTS_H

#include "lib/base/str.h"

/* In the present directory: private/local and private/bounce. On a fiber. */
void rig_agents_start(void);
/* A run begins: they answer until the end. */
void rig_agents_begin(void);
/* All connections end, and new ones at once. */
void rig_agents_end(void);

#endif
