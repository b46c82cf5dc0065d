/*
 * store - policies on disk, so that a restart forgets none
 *
 * One file of lines, which only grows while the program runs; it is read and written anew at the start.
 * Without it everything works, but for the memory of earlier days.
 */
#ifndef POSTKEEP_MTASTS_STORE_H
#define POSTKEEP_MTASTS_STORE_H

#include "mtasts/policies.h"

/*
 * Before confinement: gives P what DIRECTORY/mtasts.policies has, writes that anew without what is over, and
 * keeps the file open. What is wrong is logged.
 */
void store_open(const char *directory, struct policies *p);
/* A policy that was fetched just now; see policies_keep. */
void store_keep(const struct kept_policy *policy);

#endif
