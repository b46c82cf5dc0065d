/*
 * tls_fixture - the TLS client of a plain main.cf; see tls_fixture.h
 */
#include "tests/unit/tls_fixture.h"

#include "tests/unit/conf_fixture.h"

struct conf *conf;
struct tls_client *client;
struct arena *arena;

struct tls_client *
client_of(const char *settings, struct conf **c)
{
	/* No authorities but those that are named: the machine's do not matter here. */
	*c = fixture_load_good("compatibility_level = 3.11\n", settings);
	return tls_client_prepare(*c, TLS_CLIENT_SMTP);
}

int
tls_fixture_setup(void **state)
{
	(void)state;
	client = client_of("", &conf);
	arena = arena_new(0);
	return tls_client_fault(client) == NULL ? 0 : -1;
}

int
tls_fixture_teardown(void **state)
{
	(void)state;
	tls_client_free(&client);
	conf_free(&conf);
	arena_free(&arena);
	return 0;
}
