/*
 * fuzz_clock - time that passes when a fuzz target says so
 *
 * While it is switched on, the clocks of this process are the kernel's and what fuzz_clock_pass() has
 * added: a second's pause of the code under test costs nothing. libFuzzer, outside of a run, sees the
 * kernel's time.
 */
#ifndef POSTKEEP_TESTS_FUZZ_CLOCK_H
#define POSTKEEP_TESTS_FUZZ_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

void fuzz_clock_on(bool on);
/* All clocks go on by so much. */
void fuzz_clock_pass(int64_t ms);
/* The wall clock alone is set so many seconds off; 0 = right again. */
void fuzz_clock_set(int64_t seconds);

#endif
