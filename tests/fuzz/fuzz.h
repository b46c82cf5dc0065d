/*
 * fuzz - what targets have in common
 */
#ifndef POSTKEEP_TESTS_FUZZ_FUZZ_H
#define POSTKEEP_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/log.h"

/* libFuzzer's entry points. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding, if not OK: WHAT is wrong. */
static inline void
must(bool ok, const char *what)
{
	if (!ok)
		log_panic("%s", what);
}

#endif
