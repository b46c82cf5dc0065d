/*
 * fuzz_world - time that passes when a fuzz target says so, and disks that are full
 *
 * While it is switched on, the clocks of this process are the kernel's and what fuzz_time_passes() has
 * added: a second's pause of the code under test costs nothing. libFuzzer goes by the kernel's time.
 */
#ifndef POSTKEEP_TESTS_FUZZ_WORLD_H
#define POSTKEEP_TESTS_FUZZ_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Switched off, the disk has room again, too. */
void fuzz_world_on(bool on);
/* All clocks go on by so much. */
void fuzz_time_passes(int64_t ms);
/* The wall clock alone is set so many seconds off; 0 = right again. */
void fuzz_clock_set(int64_t seconds);
/* No file grows beyond SIZE bytes, as on a full disk; 0 = all may again. */
void fuzz_disk_full(size_t size);

/*
 * From LLVMFuzzerInitialize() of a target that changes its directory: what libFuzzer writes goes where
 * it was started.
 */
void fuzz_artifacts_here(int *argc, char ***argv);

#endif
