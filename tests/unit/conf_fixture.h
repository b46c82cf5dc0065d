/* conf_fixture - a configuration directory of its own for each case of the tests of lib/conf. */
#ifndef POSTKEEP_TESTS_CONF_FIXTURE_H
#define POSTKEEP_TESTS_CONF_FIXTURE_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/conf/conf.h"

/* Makes an empty directory and returns its path; the caller hands it to fixture_remove(). */
char *fixture_dir(void);
/* Writes TEXT (of LEN bytes) to DIR/NAME. */
void fixture_write(const char *dir, const char *name, const void *text, size_t len);
/* Removes DIR with all files in it, and frees the path. */
void fixture_remove(char *dir);
/* "error 3: text\n…" with the severity and the line of each problem; without the file's directory. */
void fixture_tell(const struct conf_problems *p, struct buf *out);
/* Loads TEXT as a main.cf with N overrides O; TOLD gets the problems as fixture_tell() has them. */
struct conf *fixture_load(
    const char *text, size_t len, const struct conf_override *o, size_t n, struct buf *told);
/* Loads a main.cf that begins with FIRST and goes on with MORE; the test fails if it has errors. */
struct conf *fixture_load_good(const char *first, const char *more);

#endif
