/*
 * watch - have files changed that were read for good?
 *
 * What is confined cannot read a file again. It looks whether one has changed, and has itself replaced.
 */
#ifndef POSTKEEP_SERVICE_WATCH_H
#define POSTKEEP_SERVICE_WATCH_H

#include <stdbool.h>

struct watch;

/* Before confinement. NULL: this system cannot tell. */
struct watch *watch_new(void);
/* PATH, which need not exist (a device is left out); where it is a link, also what it leads to. Before confinement. */
void watch_add(struct watch *w, const char *path);
/* From now on, on a fiber of its own: when one has changed, this process asks to be replaced. W may be NULL. */
void watch_start(struct watch *w);

#endif
