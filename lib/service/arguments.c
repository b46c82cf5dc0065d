/*
 * arguments - what master (or a person, with -S) says on the command line
 *
 * endpoint.h has the grammar. Whoever starts a daemon has the rights the daemon begins with, so this is
 * checked for sense, not for malice.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/internal.h"

static void
add_override(struct service_arguments *a, const char *text)
{
	struct str s = str_c(text);
	size_t eq = str_chr(s, '=');

	if (eq == STR_NPOS || eq == 0)
		log_fatal("-o %s: not of the form name=value", text);
	a->overrides = mem_resize(a->overrides, (a->n_overrides + 1) * sizeof(a->overrides[0]));
	a->overrides[a->n_overrides].name = str_trim(str_sub(s, 0, eq));
	a->overrides[a->n_overrides].value = str_trim(str_from(s, eq + 1));
	a->n_overrides++;
}

static void
add_endpoint(struct service_arguments *a, const char *text)
{
	struct service_endpoint *e;

	a->endpoints = mem_resize(a->endpoints, (a->n_endpoints + 1) * sizeof(a->endpoints[0]));
	e = &a->endpoints[a->n_endpoints];
	memset(e, 0, sizeof(*e));
	e->fd = SERVICE_FD_LISTEN + (int)a->n_endpoints;
	e->text = text;
	e->inet = str_starts(str_c(text), STR("inet:"));
	e->pass = str_starts(str_c(text), STR("pass:"));
	a->n_endpoints++;
}

static unsigned
number(const char *option, const char *text)
{
	uint64_t value;

	if (!str_to_u64(str_c(text), INT_MAX, &value))
		log_fatal("%s %s: not a number", option, text);
	return (unsigned)value;
}

static void
option(struct service_arguments *a, int c, char *value)
{
	switch (c) {
	case 'n':
		a->name = value;
		break;
	case 't':
		a->type = value;
		break;
	case 'c':
		a->config_dir = value;
		break;
	case 'j':
		a->jail = true;
		break;
	case 'u':
		a->unprivileged_user = true;
		break;
	case 'm':
		a->maxproc = number("-m", value);
		break;
	case 'v':
		log_verbose(++a->verbose);
		break;
	case 'o':
		add_override(a, value);
		break;
	case 'L':
		add_endpoint(a, value);
		break;
	case 'S':
		a->standalone = true;
		break;
	default:
		log_fatal("usage: started by master, or with -S on standard input and output");
	}
}

/* Rows of the table belong to descriptors by their place; a master that sees that otherwise is wrong. */
static void
check_endpoints(struct service_process *p)
{
	for (size_t i = 0; i < p->args.n_endpoints; i++) {
		struct service_endpoint *e = &p->args.endpoints[i];
		const struct endpoint *row = i > 0 ? endpoint_of(p->service->name, i) : NULL;
		struct str path = str_c(e->text);
		struct stat st;

		path = str_from(path, str_chr(path, ':') == STR_NPOS ? 0 : str_chr(path, ':') + 1);
		if (row && !str_eq(path, str_c(row->path)))
			log_fatal("descriptor %d is %s, and not %s", e->fd, e->text, row->path);
		if (fstat(e->fd, &st) != 0)
			log_fatal("descriptor %d (%s): not open", e->fd, e->text);
		e->peers = row ? row->peers : i == 0 ? p->program->peers : 0;
		if (e->pass)
			e->peers |= PEER_NETWORK; /* what looked at the client first runs as such */
		if (io_set_cloexec(e->fd, true) != 0 || io_set_nonblocking(e->fd, true) != 0)
			log_fatal("descriptor %d (%s): cannot set its flags", e->fd, e->text);
	}
}

void
service_parse_arguments(struct service_process *p, int argc, char **argv)
{
	struct service_arguments *a = &p->args;
	int c;

	a->name = p->service->name;
	opterr = 0;
	while ((c = getopt(argc, argv, "+n:t:c:juvm:o:L:S")) != -1)
		option(a, c, optarg);
	if (a->standalone)
		return;
	if (a->n_endpoints == 0)
		log_fatal("no socket to serve: master starts this program, or -S does without");
	if (io_set_cloexec(SERVICE_FD_STATUS, true) != 0 ||
	    io_set_nonblocking(SERVICE_FD_STATUS, true) != 0)
		log_fatal("descriptor %d is no connection to master", SERVICE_FD_STATUS);
	check_endpoints(p);
}
