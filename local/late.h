/*
 * late - telling qmgr what was delivered while it was away
 */
#ifndef POSTKEEP_LOCAL_LATE_H
#define POSTKEEP_LOCAL_LATE_H

#include "lib/base/list.h"

/*
 * Reports RESULTS (struct result, freed) on private/qmgr-report, over connections that the parent at
 * the other end of CONTROL makes; tries for about a minute, or briefly when the suite is being stopped.
 * What cannot be told is logged: it may be delivered a second time. Waits.
 */
void late_report(int control, struct list *results);

#endif
