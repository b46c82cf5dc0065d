/*
 * stock - the services of a stock Postfix master.cf that are no programs here
 *
 * People bring the file they have. What it names and this suite does elsewhere is accepted with a note.
 */
#include <string.h>

#include "lib/service/plan.h"

static const struct stock_program stock_programs[] = {
    {"cleanup", STOCK_BUILT_IN, "smtpd, pickup and qmgr complete and rewrite headers themselves"},
    {"trivial-rewrite", STOCK_BUILT_IN,
	"rewriting and routing are part of the programs that use them"},
    {"tlsmgr", STOCK_BUILT_IN, "smtpd and smtp keep their own TLS sessions and random numbers"},
    {"showq", STOCK_BUILT_IN, "qmgr answers on public/showq"},
    {"flush", STOCK_BUILT_IN, "qmgr answers on public/flush"},
    {"scache", STOCK_BUILT_IN, "smtp keeps its own connections"},
    {"oqmgr", STOCK_BUILT_IN, "qmgr is the only scheduler"},
    {"nqmgr", STOCK_BUILT_IN, "qmgr is the only scheduler"},
    {"error", STOCK_NOT_YET, "the error transport by another name than error or retry"},
    {"discard", STOCK_NOT_YET, "the discard transport by another name"},
    {"verify", STOCK_NOT_YET, "address verification"},
    {"virtual", STOCK_NOT_YET, "delivery to virtual mailboxes, which will be local's"},
    {"pipe", STOCK_NOT_YET, "delivery to external commands"},
    {"spawn", STOCK_NOT_YET, "running policy services"},
    {"qmqpd", STOCK_NOT_YET, "QMQP"},
    {"postscreen", STOCK_NOT_YET, "tests before the greeting, which will be smtpd's"},
    {"dnsblog", STOCK_NOT_YET, "tests before the greeting, which will be smtpd's"},
    {"tlsproxy", STOCK_NO_USE, "smtpd speaks TLS itself"},
    {"nbdb_reindexd", STOCK_NO_USE, "tables are read from their text source"},
};

/* Lines of which not only the program counts, but also the name that they give it. */
static const struct {
	const char *service, *command;
	struct stock_program what;
} stock_services[] = {
    {"defer", "bounce", {"defer", STOCK_BUILT_IN, "qmgr keeps the reasons of delays"}},
    {"trace", "bounce",
	{"trace", STOCK_BUILT_IN, "bounce writes delivery reports on its own socket"}},
    {"error", "error", {"error", STOCK_BUILT_IN, "qmgr does what the error transport does"}},
    {"retry", "error", {"retry", STOCK_BUILT_IN, "qmgr does what the retry transport does"}},
    {"discard", "discard",
	{"discard", STOCK_BUILT_IN, "qmgr does what the discard transport does"}},
    {"proxywrite", "proxymap",
	{"proxywrite", STOCK_NO_USE, "nothing writes to tables through proxymap"}},
};

const struct stock_program *
stock_find(const char *service, const char *command)
{
	for (size_t i = 0; i < sizeof(stock_services) / sizeof(stock_services[0]); i++)
		if (strcmp(stock_services[i].service, service) == 0 &&
		    strcmp(stock_services[i].command, command) == 0)
			return &stock_services[i].what;
	for (size_t i = 0; i < sizeof(stock_programs) / sizeof(stock_programs[0]); i++)
		if (strcmp(stock_programs[i].name, command) == 0)
			return &stock_programs[i];
	return NULL;
}
