/*
 * place - finding the directory of a mailbox without being led astray
 *
 * Each step below the base directory is opened on its own. A symbolic link is followed if it belongs to
 * root or to the mailbox's owner: nobody else can point a delivery somewhere else.
 */
#ifndef POSTKEEP_STORE_PLACE_H
#define POSTKEEP_STORE_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/store/store.h"

/*
 * Opens (O_PATH) the directory PATH under BASE, an existing directory. MAKE: missing ones below BASE
 * are made with mode 0700, and that is made durable. -1 with P; *ERROR (unless NULL) is the errno.
 */
int place_open(const char *base, const char *path, uid_t owner, bool make, int *error,
    struct store_problem *p);
/* Makes NAME in the directory DIR (an O_PATH descriptor will do) with mode 0700; EEXIST is success. */
bool place_make(int dir, const char *name);
/* Makes what was done to the entries of directory DIR durable. FILE: some file in the same system. */
bool place_sync(int dir, int file);
/* A file without a name in directory DIR, for reading and writing; -1 with errno. */
int place_scratch(const char *dir);

#endif
