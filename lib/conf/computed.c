/*
 * computed - defaults that come from the machine, the build and the process
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf/internal.h"

#define DOMAIN_IF_UNKNOWN "localdomain"

/* Is it set to something? Its value then. */
static bool
value_if_set(
    struct loader *l, const struct frame *f, enum param p, struct str *value, struct buf *why)
{
	if (!l->c->set[p] || !conf_evaluate(l, f, p, why))
		return false;
	*value = l->c->value[p];
	return value->len > 0;
}

/* The machine's name, completed by $mydomain if it has no dot. */
static void
compute_hostname(struct loader *l, const struct frame *f, struct buf *out)
{
	char name[HOST_NAME_MAX + 1];
	struct str domain;
	struct buf ignored = {0};

	if (gethostname(name, sizeof(name)) != 0 || name[0] == '\0')
		memcpy(name, "localhost", sizeof("localhost"));
	name[sizeof(name) - 1] = '\0';
	buf_puts(out, name);
	if (!strchr(name, '.')) {
		buf_putc(out, '.');
		if (value_if_set(l, f, P_mydomain, &domain, &ignored))
			buf_str(out, domain);
		else
			buf_puts(out, DOMAIN_IF_UNKNOWN);
	}
	buf_free(&ignored);
}

/* $myhostname without its first label. */
static bool
compute_domain(struct loader *l, const struct frame *f, struct buf *out, struct buf *why)
{
	struct str host;
	size_t dot;

	if (!conf_evaluate(l, f, P_myhostname, why))
		return false;
	host = l->c->value[P_myhostname];
	dot = str_chr(host, '.');
	if (dot == STR_NPOS)
		buf_puts(out, DOMAIN_IF_UNKNOWN);
	else
		buf_str(out, str_from(host, dot + 1));
	return true;
}

static bool
compute_networks(struct loader *l, const struct frame *f, struct buf *out, struct buf *why)
{
	const struct str *value = l->c->value;

	if (!conf_evaluate(l, f, P_mynetworks_style, why) ||
	    !conf_evaluate(l, f, P_inet_interfaces, why) ||
	    !conf_evaluate(l, f, P_inet_protocols, why))
		return false;
	conf_compute_networks(
	    value[P_mynetworks_style], value[P_inet_interfaces], value[P_inet_protocols], out);
	return true;
}

/* What the build decided; NULL for the other parameters. */
static const char *
built_in(enum param p)
{
	switch (p) {
	case P_command_directory:
		return DEFAULT_COMMAND_DIR;
	case P_daemon_directory:
		return DEFAULT_DAEMON_DIR;
	case P_data_directory:
		return DEFAULT_DATA_DIR;
	case P_queue_directory:
		return DEFAULT_QUEUE_DIR;
	case P_mail_version:
		return PACKAGE_VERSION;
	case P_process_name:
		return program_invocation_short_name;
	case P_service_name:
		return program_invocation_short_name;
	default:
		return NULL;
	}
}

bool
conf_compute(
    struct loader *l, const struct frame *f, enum param p, struct buf *out, struct buf *why)
{
	const char *constant = built_in(p);

	if (constant)
		buf_puts(out, constant);
	else if (p == P_config_directory)
		buf_puts(out, l->c->dir);
	else if (p == P_process_id)
		buf_printf(out, "%ld", (long)getpid());
	else if (p == P_myhostname)
		compute_hostname(l, f, out);
	else if (p == P_mydomain)
		return compute_domain(l, f, out, why);
	else if (p == P_mynetworks)
		return compute_networks(l, f, out, why);
	return true;
}
