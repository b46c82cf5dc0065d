/*
 * plan - from the lines of master.cf to services with sockets
 *
 * Trusts the syntax of master.cf (lib/conf has checked it: no name of a socket or a program holds a
 * slash); what a line names is looked up: program, address, the tables of the suite.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/service/plan.h"
#include "lib/service/plan_inet.h"

/* One plan in the making. */
struct planner {
	const struct conf *conf;
	struct plan *plan;
	struct conf_problems *problems;
};

/* Is the line switched off by master_service_disable ("name/type", "type", "*" in either place)? */
static bool
disabled(const struct conf *c, const struct master_entry *e)
{
	struct str rest = conf_str(c, P_master_service_disable), item;
	bool off = false;

	while (!off && conf_list_next(&rest, &item)) {
		char *pattern = str_dup(item), *slash = strrchr(pattern, '/');
		const char *type = slash ? slash + 1 : pattern;

		if (slash)
			*slash = '\0';
		off = fnmatch(type, master_type_name(e->type), 0) == 0 &&
		    (!slash || fnmatch(pattern, e->name, 0) == 0);
		free(pattern);
	}
	return off;
}

static char *
join(const char *dir, const char *name)
{
	struct buf b = {0};

	buf_printf(&b, "%s/%s", dir, name);
	return buf_take(&b);
}

/* The program's file, malloc'ed; NULL with a problem reported, or with a note when it need not exist. */
static char *
find_program(struct planner *p, const struct master_entry *e)
{
	const struct stock_program *stock = stock_find(e->name, e->command);
	const char *dir = conf_cstr(p->conf, P_daemon_directory);
	char *path;
	struct stat st;

	if (stock && stock->state != STOCK_NOT_YET) {
		conf_problem(p->problems, CONF_NOTE, p->plan->file, e->line,
		    "service %s: no process of its own is needed: %s", e->name, stock->where);
		return NULL;
	}
	path = join(dir, e->command);
	errno = 0;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
		return path;
	if (stock)
		conf_problem(p->problems, CONF_NOTE, p->plan->file, e->line,
		    "service %s: %s is not there yet; the line has no effect", e->name,
		    stock->where);
	else if (program_find(e->command))
		conf_problem(p->problems, CONF_ERROR, p->plan->file, e->line,
		    "service %s: cannot execute %s: %s; install the suite again, or correct "
		    "daemon_directory in main.cf",
		    e->name, path, errno ? strerror(errno) : "not an executable file");
	else
		conf_problem(p->problems, CONF_ERROR, p->plan->file, e->line,
		    "service %s: unknown program \"%s\": it is none of the suite, and there is no "
		    "such "
		    "executable file in daemon_directory (%s)",
		    e->name, e->command, dir);
	free(path);
	return NULL;
}

static void
add_path_socket(struct planner *p, struct plan_service *s, enum plan_socket_kind kind,
    const char *path, bool known, unsigned peers)
{
	static const char *const kinds[] = {
	    [PLAN_UNIX] = "unix",
	    [PLAN_DGRAM] = "unix-dgram",
	    [PLAN_FIFO] = "fifo",
	    [PLAN_PASS] = "pass",
	};
	struct sockaddr_un un;
	struct plan_socket *socket;
	struct buf name = {0};

	if (strlen(path) >= sizeof(un.sun_path)) {
		conf_problem(p->problems, CONF_ERROR, p->plan->file, s->entry->line,
		    "service %s: the socket's name is too long (at most %zu bytes)", s->entry->name,
		    sizeof(un.sun_path) - 1);
		return;
	}
	socket = plan_add_socket(s);
	socket->kind = kind;
	socket->known = known;
	socket->peers = peers;
	buf_printf(&name, "%s:%s", kinds[kind], path);
	socket->name = buf_take(&name);
	socket->path = strchr(socket->name, ':') + 1;
}

static enum plan_socket_kind
path_kind(struct planner *p, const struct plan_service *s)
{
	const struct master_entry *e = s->entry;

	/* Programs of the suite speak over stream sockets; old files still say fifo for some. */
	if (s->program && e->type != MASTER_UNIX && e->type != MASTER_PASS &&
	    strcmp(s->program->name, "postlogd") != 0) {
		conf_problem(p->problems, CONF_NOTE, p->plan->file, e->line,
		    "service %s: %s listens on a unix socket, not on a %s", e->name,
		    s->program->name, master_type_name(e->type));
		return PLAN_UNIX;
	}
	switch (e->type) {
	case MASTER_UNIX_DGRAM:
		return PLAN_DGRAM;
	case MASTER_FIFO:
		return PLAN_FIFO;
	case MASTER_PASS:
		return PLAN_PASS;
	default:
		return PLAN_UNIX;
	}
}

static void
own_socket(struct planner *p, struct plan_service *s)
{
	const struct master_entry *e = s->entry;
	bool public = e->private_service == MASTER_FLAG_NO;
	char *path;

	if (e->type == MASTER_INET) {
		plan_inet(p->conf, p->plan->file, s, p->problems);
		return;
	}
	if (!public && strcmp(e->name, "master") == 0) {
		conf_problem(p->problems, CONF_ERROR, p->plan->file, e->line,
		    "service master: private/master is master's own; choose another name");
		return;
	}
	path = join(public ? "public" : "private", e->name);
	add_path_socket(
	    p, s, path_kind(p, s), path, s->program != NULL, s->program ? s->program->peers : 0);
	free(path);
}

/* The sockets of endpoint_table belong to the first line of their program. */
static void
table_sockets(struct planner *p, struct plan_service *s)
{
	if (!s->program)
		return;
	for (const struct plan_service *o = p->plan->services; o < s; o++)
		if (o->program == s->program)
			return;
	for (const struct endpoint *e = endpoint_table; e->program; e++)
		if (strcmp(e->program, s->program->name) == 0)
			add_path_socket(p, s, PLAN_UNIX, e->path, true, e->peers);
}

static int
process_limit(struct planner *p, const struct plan_service *s)
{
	const struct master_entry *e = s->entry;

	if (s->single) {
		if (e->maxproc > 1)
			conf_problem(p->problems, CONF_NOTE, p->plan->file, e->line,
			    "service %s: there is never more than one %s; the process limit is 1",
			    e->name, e->command);
		return 1;
	}
	return e->maxproc < 0 ? (int)conf_int(p->conf, P_default_process_limit) : e->maxproc;
}

static bool
jailed(const struct program *program, enum master_flag chroot)
{
	return program &&
	    ((program->jail && chroot != MASTER_FLAG_NO) ||
		(program->jail_if_asked && chroot == MASTER_FLAG_YES));
}

static void
fill_service(struct planner *p, struct plan_service *s)
{
	const struct master_entry *e = s->entry;

	s->program = program_find(e->command);
	s->single = s->program && s->program->single;
	s->event_driven = s->program && s->program->event_driven;
	s->jail = jailed(s->program, e->chroot) && !p->plan->unprivileged;
	s->lower = e->unprivileged != MASTER_FLAG_NO && !p->plan->unprivileged;
	s->maxproc = process_limit(p, s);
	if (!s->program && e->chroot == MASTER_FLAG_YES)
		conf_problem(p->problems, CONF_WARNING, p->plan->file, e->line,
		    "service %s: %s is not of this suite and gets no chroot; write n", e->name,
		    e->command);
	if (s->program && s->program->jail && e->chroot == MASTER_FLAG_NO && !p->plan->unprivileged)
		conf_problem(p->problems, CONF_NOTE, p->plan->file, e->line,
		    "service %s: %s runs without its chroot, as the line says; \"-\" confines it",
		    e->name, e->command);
	own_socket(p, s);
	table_sockets(p, s);
}

static void
add_entry(struct planner *p, const struct master_entry *e)
{
	struct plan *plan = p->plan;
	struct plan_service *s;
	char *path;

	if (disabled(p->conf, e)) {
		conf_problem(p->problems, CONF_NOTE, plan->file, e->line,
		    "service %s is switched off by master_service_disable", e->name);
		return;
	}
	path = find_program(p, e);
	if (!path)
		return;
	s = &plan->services[plan->count];
	memset(s, 0, sizeof(*s));
	s->entry = e;
	s->path = path;
	for (size_t i = 0; i < plan->count; i++) {
		if (!plan->services[i].single ||
		    strcmp(plan->services[i].entry->command, e->command) != 0)
			continue;
		conf_problem(p->problems, CONF_ERROR, plan->file, e->line,
		    "service %s: there is never more than one %s, and line %zu has it; remove one",
		    e->name, e->command, plan->services[i].entry->line);
		free(path);
		return;
	}
	fill_service(p, s);
	plan->count++;
}

/* A file from before Postfix 3.4 has no line for postlogd; logs must go somewhere all the same. */
static void
imply_postlogd(struct planner *p)
{
	struct master_entry *e = &p->plan->implied;

	for (size_t i = 0; i < p->plan->cf->count; i++)
		if (strcmp(p->plan->cf->entries[i].command, "postlogd") == 0)
			return;
	e->name = mem_strdup("postlog");
	e->type = MASTER_UNIX_DGRAM;
	e->private_service = MASTER_FLAG_NO;
	e->maxproc = 1;
	e->command = mem_strdup("postlogd");
	add_entry(p, e);
}

/* Two lines that end up at the same address ("smtp" and "25") would take each other's clients. */
static void
check_duplicates(struct planner *p)
{
	const struct plan *plan = p->plan;
	struct hash *seen = hash_new();

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_service *s = &plan->services[i], *other;

		for (size_t j = 0; j < s->n_sockets; j++) {
			const struct plan_socket *socket = &s->sockets[j];
			struct str key = str_c(socket->path ? socket->path : socket->name);

			other = hash_put(seen, key, (void *)(uintptr_t)s);
			if (other && other != s)
				conf_problem(p->problems, CONF_ERROR, plan->file, s->entry->line,
				    "service %s listens on %s, and so does service %s in line %zu",
				    s->entry->name, socket->name, other->entry->name,
				    other->entry->line);
		}
	}
	hash_free(&seen, NULL);
}

bool
plan_provides(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = 0; j < p->services[i].n_sockets; j++)
			if (p->services[i].sockets[j].path &&
			    strcmp(p->services[i].sockets[j].path, path) == 0)
				return true;
	return false;
}

static bool
program_before(const struct plan *plan, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (plan->services[j].program == plan->services[i].program)
			return true;
	return false;
}

/* Asked only when smtp_tls_mta_sts, smtp_tlsrpt_enable say so; postkeep check looks at that. */
static bool
is_optional(const char *path)
{
	return strcmp(path, "private/mtasts") == 0 || strcmp(path, "private/tlsrpt") == 0;
}

/* A program without one of the peers it asks is no error (mail waits), but surely not meant. */
static void
check_peers(struct planner *p)
{
	const struct plan *plan = p->plan;

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_service *s = &plan->services[i];

		if (!s->program || !s->program->reaches || program_before(plan, i))
			continue;
		for (const char *const *path = s->program->reaches; *path; path++)
			if (!is_optional(*path) && !plan_provides(plan, *path))
				conf_problem(p->problems, CONF_WARNING, plan->file, s->entry->line,
				    "service %s: %s asks %s, which no line provides",
				    s->entry->name, s->entry->command, *path);
	}
}

struct plan *
plan_load(const struct conf *c, const char *dir, struct conf_problems *problems)
{
	struct plan *plan = MEM_NEW(struct plan);
	struct planner p = {.conf = c, .plan = plan, .problems = problems};

	plan->file = join(dir, "master.cf");
	plan->unprivileged = geteuid() != 0;
	plan->cf = master_cf_load(dir, problems);
	plan->services = mem_array(plan->cf->count + 1, sizeof(*plan->services));
	for (size_t i = 0; i < plan->cf->count; i++)
		add_entry(&p, &plan->cf->entries[i]);
	imply_postlogd(&p);
	check_duplicates(&p);
	check_peers(&p);
	return plan;
}

void
plan_free(struct plan **p)
{
	struct plan *plan = *p;

	*p = NULL;
	if (!plan)
		return;
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_service *s = &plan->services[i];

		for (size_t j = 0; j < s->n_sockets; j++)
			free(s->sockets[j].name);
		free(s->sockets);
		free(s->path);
	}
	free(plan->services);
	master_cf_free(&plan->cf);
	free(plan->implied.name);
	free(plan->implied.command);
	free(plan->file);
	free(plan);
}

const struct plan_service *
plan_find(const struct plan *p, const char *name, enum master_type type)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->services[i].entry->type == type &&
		    strcmp(p->services[i].entry->name, name) == 0)
			return &p->services[i];
	return NULL;
}

bool
plan_service_same(const struct plan_service *a, const struct plan_service *b)
{
	const struct master_entry *x = a->entry, *y = b->entry;

	if (strcmp(a->path, b->path) != 0 || a->jail != b->jail || a->lower != b->lower ||
	    a->maxproc != b->maxproc || x->n_args != y->n_args || x->n_overrides != y->n_overrides)
		return false;
	for (size_t i = 0; i < x->n_args; i++)
		if (strcmp(x->args[i], y->args[i]) != 0)
			return false;
	for (size_t i = 0; i < x->n_overrides; i++)
		if (!str_eq(x->overrides[i].name, y->overrides[i].name) ||
		    !str_eq(x->overrides[i].value, y->overrides[i].value))
			return false;
	return true;
}
