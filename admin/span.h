/* span - a length of time in words, for people: "12 s", "5 min", "2 h 5 min", "3 d 4 h" */
#ifndef POSTKEEP_ADMIN_SPAN_H
#define POSTKEEP_ADMIN_SPAN_H

#include <stdint.h>

#define SPAN_SIZE 48

/* SECONDS in the two largest units that say something; less than zero counts as zero. Returns OUT. */
const char *span_text(int64_t seconds, char out[SPAN_SIZE]);

#endif
