/*
 * files - the tallies of the last days, on disk
 *
 * One file per UTC day, DIRECTORY/2026-11-22, replaced as a whole. Without it everything works, but for the
 * memory of what was before a restart. DIRECTORY is the program's own, and who reads it as root follows no
 * link there.
 */
#ifndef POSTKEEP_TLSRPT_FILES_H
#define POSTKEEP_TLSRPT_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "tlsrpt/tally.h"

#define FILES_DAYS 7 /* that are kept, beside the present one */

/* DATA_DIRECTORY/tlsrpt, to be freed. */
char *files_directory(const char *data_directory);
/* Days since 1970, UTC, of SECONDS since then. */
int64_t files_day(int64_t seconds);
/* "2026-11-22"; and back: false if it is no date. */
#define FILES_NAME_SIZE 32
void files_name(int64_t day, char name[FILES_NAME_SIZE]);
bool files_parse(struct str name, int64_t *day);

/* Adds what was written of DAY to T. -1 with errno: ENOENT, there is none. May block. */
int files_load(const char *directory, int64_t day, struct tally *t);
/* TEXT: of tally_write(). -1 with errno. May block. */
int files_store(const char *directory, int64_t day, struct str text);
/* Removes those that are more than FILES_DAYS older than TODAY. May block. */
void files_clean(const char *directory, int64_t today);

#endif
