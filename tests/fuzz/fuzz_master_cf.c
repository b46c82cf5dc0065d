/*
 * fuzz_master_cf - any bytes as master.cf
 *
 * What is let through must be whole: names that can be files in private/ and public/, a program name
 * without a path, arguments with their end.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/conf/master_cf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_entry(const struct master_entry *e)
{
	if (!e->name || !*e->name || !e->command || !*e->command)
		log_panic("line %zu: a name is missing", e->line);
	if (strchr(e->command, '/') || e->command[0] == '.')
		log_panic("line %zu: the program has a path", e->line);
	if (e->type != MASTER_INET &&
	    (strchr(e->name, '/') || e->name[0] == '.' || strlen(e->name) > 64))
		log_panic("line %zu: the service cannot be a socket's name", e->line);
	if (e->wakeup < 0 || e->maxproc < -1)
		log_panic("line %zu: a number is out of range", e->line);
	if (e->n_args > 0 && e->args[e->n_args])
		log_panic("line %zu: the arguments have no end", e->line);
	for (size_t i = 0; i < e->n_overrides; i++)
		if (e->overrides[i].name.len == 0)
			log_panic("line %zu: an override without a name", e->line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_problems problems = {0};
	struct master_cf *m = master_cf_read(str_n(data, size), "master.cf", &problems);

	for (size_t i = 0; i < m->count; i++)
		check_entry(&m->entries[i]);
	for (size_t i = 0; i < problems.count; i++)
		if (problems.list[i].text[0] == '\0')
			log_panic("a problem without a text");
	master_cf_free(&m);
	conf_problems_free(&problems);
	return 0;
}
