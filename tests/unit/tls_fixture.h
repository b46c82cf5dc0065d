/* tls_fixture - the TLS client of a plain main.cf, which the cases of a test of lib/tls share. */
#ifndef POSTKEEP_TESTS_TLS_FIXTURE_H
#define POSTKEEP_TESTS_TLS_FIXTURE_H

#include "lib/base/arena.h"
#include "lib/conf/conf.h"
#include "lib/tls/internal.h"

extern struct conf *conf;
extern struct tls_client *client;
extern struct arena *arena;

/* A client of a main.cf that says SETTINGS, and *C, which the caller frees after it. */
struct tls_client *client_of(const char *settings, struct conf **c);

/* Of the whole group: make and free what the cases share. */
int tls_fixture_setup(void **state);
int tls_fixture_teardown(void **state);

#endif
