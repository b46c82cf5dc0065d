/*
 * postkeep_routes - where mail is sent to: do the transports exist, do the next hops make sense, and do
 * the hosts exist
 *
 * Nothing here stops a start: mail for what is wrong waits, and says so. Hosts are looked up by
 * `postkeep check` alone, in a child process that is given a few seconds for all of them.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/mail/address.h"
#include "lib/table/each.h"

#define PROBLEMS_MAX 20  /* of one parameter with its tables */
#define HOSTS_MAX 20     /* that are looked up */
#define LOOKUP_TIME 5000 /* ms, for all of them */

/* A host that somebody named. */
struct host {
	char *name;
	bool mx; /* MX records will do */
	char *param, *file;
	size_t line;
};

struct routes {
	const struct plan *plan;
	struct conf_problems *problems;
	struct host hosts[HOSTS_MAX];
	size_t n_hosts;
	/* What is being looked at: */
	const char *param, *file;
	size_t line;
	size_t told;
	bool hops; /* values are next hops, not transports */
};

static void
tell(struct routes *r, struct str value, const char *what)
{
	if (r->told++ < PROBLEMS_MAX)
		conf_problem(r->problems, CONF_WARNING, r->file, r->line, "%s: \"%.*s\": %s",
		    r->param, STR_ARG(value), what);
}

/* --- Next hops ------------------------------------------------------------------------------ */

static bool
is_address(struct str s, int family)
{
	char text[INET6_ADDRSTRLEN], address[16];

	if (s.len >= sizeof text)
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return inet_pton(family, text, address) == 1;
}

static bool
port_exists(struct str port)
{
	uint64_t n;
	char *name;
	bool found;

	if (str_to_u64(port, 65535, &n))
		return n > 0;
	name = str_dup(port);
	found = getservbyname(name, "tcp") != NULL;
	free(name);
	return found;
}

static void
note_host(struct routes *r, struct str host, bool mx)
{
	char *name = str_dup(host);

	for (size_t i = 0; i < r->n_hosts; i++)
		if (r->hosts[i].mx == mx && strcasecmp(r->hosts[i].name, name) == 0) {
			free(name);
			return;
		}
	if (r->n_hosts == HOSTS_MAX) {
		free(name);
		return;
	}
	r->hosts[r->n_hosts++] = (struct host){.name = name,
	    .mx = mx,
	    .param = mem_strdup(r->param),
	    .file = r->file ? mem_strdup(r->file) : NULL,
	    .line = r->line};
}

/* What follows the host: nothing, or ":port". */
static bool
check_port(struct routes *r, struct str hop, struct str rest)
{
	if (rest.len == 0 || (rest.data[0] == ':' && port_exists(str_from(rest, 1))))
		return true;
	tell(r, hop, "there is no such port: a number or a name from /etc/services is needed");
	return false;
}

static void
check_bracketed(struct routes *r, struct str hop)
{
	size_t close = str_chr(hop, ']');
	struct str host;

	if (close == STR_NPOS) {
		tell(r, hop, "the \"]\" is missing");
		return;
	}
	host = str_sub(hop, 1, close - 1);
	if (!check_port(r, hop, str_from(hop, close + 1)))
		return;
	if (str_starts_nocase(host, STR("IPv6:")))
		host = str_from(host, 5);
	if (is_address(host, AF_INET) || is_address(host, AF_INET6))
		return;
	if (address_valid_domain(host, true))
		note_host(r, host, false);
	else
		tell(r, hop, "what stands in the brackets is neither a host name nor an address");
}

static void
check_plain(struct routes *r, struct str hop, bool mx)
{
	size_t colon = str_chr(hop, ':');
	struct str host = str_sub(hop, 0, colon);

	/* LMTP looks up no MX hosts: there an address can be nothing else. */
	if (is_address(hop, AF_INET6) || (mx && is_address(host, AF_INET))) {
		tell(r, hop, "an address is written in brackets: [address] or [address]:port");
		return;
	}
	if (!check_port(r, hop, colon == STR_NPOS ? STR_EMPTY : str_from(hop, colon)))
		return;
	if (is_address(host, AF_INET))
		return;
	if (!address_valid_domain(host, true))
		tell(r, hop, "this is not a host name");
	else if (mx && str_chr(host, '.') == STR_NPOS)
		tell(r, hop,
		    "a domain is needed here, whose mail servers are looked up, and this has no "
		    "dot; the host of that name is written in brackets: [host]");
	else
		note_host(r, host, mx);
}

/* One or several hosts, as the SMTP and LMTP client takes them. */
static void
check_hops(struct routes *r, struct str hops, bool mx)
{
	struct str hop;

	while (str_token(&hops, ", \t", &hop)) {
		if (str_starts(hop, STR("unix:")))
			continue;
		if (str_starts(hop, STR("inet:")))
			hop = str_from(hop, 5);
		if (hop.len > 0 && hop.data[0] == '[')
			check_bracketed(r, hop);
		else
			check_plain(r, hop, mx);
	}
}

/* --- Transports ----------------------------------------------------------------------------- */

/* Those that need no program. */
static bool
built_in(struct str transport)
{
	return str_eq(transport, STR("error")) || str_eq(transport, STR("retry")) ||
	    str_eq(transport, STR("discard"));
}

/* The line of a transport, whether its program is there or not: that is told elsewhere. */
static const struct master_entry *
find_line(const struct master_cf *cf, struct str transport)
{
	for (size_t i = 0; i < cf->count; i++)
		if (cf->entries[i].type == MASTER_UNIX &&
		    str_eq(str_c(cf->entries[i].name), transport))
			return &cf->entries[i];
	return NULL;
}

/* "transport:nexthop" */
static void
check_transport(struct routes *r, struct str value)
{
	size_t colon = str_chr(value, ':');
	struct str transport = str_trim(str_sub(value, 0, colon));
	struct str hops = colon == STR_NPOS ? STR_EMPTY : str_trim(str_from(value, colon + 1));
	const struct master_entry *e;

	if (built_in(transport))
		return;
	if (transport.len == 0) {
		check_hops(r, hops, true);
		return;
	}
	e = find_line(r->plan->cf, transport);
	if (!e) {
		tell(r, value, "no line of master.cf provides this transport: its mail waits");
		return;
	}
	if (!plan_find(r->plan, e->name, MASTER_UNIX)) {
		tell(r, value, "its line of master.cf has no effect yet: its mail waits");
		return;
	}
	if (strcmp(e->command, "smtp") == 0 || strcmp(e->command, "lmtp") == 0)
		check_hops(r, hops, strcmp(e->command, "smtp") == 0);
}

static void
check_value(struct routes *r, struct str value)
{
	if (str_eq_nocase(value, STR("DUNNO")))
		return;
	if (r->hops)
		check_hops(r, value, true);
	else
		check_transport(r, value);
}

static void
on_entry(void *arg, const char *file, size_t line, struct str key, struct str value)
{
	struct routes *r = arg;
	const char *param_file = r->file;
	size_t param_line = r->line;

	(void)key;
	if (file) {
		r->file = file;
		r->line = line;
	}
	check_value(r, value);
	r->file = param_file;
	r->line = param_line;
}

static const struct {
	enum param param;
	const char *name;
	bool tables, hops;
} sources[] = {
    {P_relayhost, "relayhost", false, true},
    {P_smtp_fallback_relay, "smtp_fallback_relay", false, true},
    {P_default_transport, "default_transport", false, false},
    {P_relay_transport, "relay_transport", false, false},
    {P_local_transport, "local_transport", false, false},
    {P_virtual_transport, "virtual_transport", false, false},
    {P_best_mx_transport, "best_mx_transport", false, false},
    {P_sender_dependent_relayhost_maps, "sender_dependent_relayhost_maps", true, true},
    {P_sender_dependent_default_transport_maps, "sender_dependent_default_transport_maps", true,
	false},
    {P_transport_maps, "transport_maps", true, false},
};

/* --- Look-ups ------------------------------------------------------------------------------- */

/* What the child says of a host: one byte. */
enum answer {
	ANSWER_EXISTS = '+',
	ANSWER_NONE = '-',
	ANSWER_LATER = '?',
};

static enum answer
look_up(const struct host *h)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	unsigned char reply[NS_PACKETSZ];
	int error;

	if (h->mx && res_query(h->name, ns_c_in, ns_t_mx, reply, sizeof reply) > 0)
		return ANSWER_EXISTS;
	error = getaddrinfo(h->name, NULL, &hints, &found);
	if (error == 0) {
		freeaddrinfo(found);
		return ANSWER_EXISTS;
	}
	return error == EAI_AGAIN || error == EAI_FAIL || error == EAI_SYSTEM ? ANSWER_LATER
									      : ANSWER_NONE;
}

static void
look_up_all(const struct routes *r, int fd)
{
	for (size_t i = 0; i < r->n_hosts; i++) {
		char answer = (char)look_up(&r->hosts[i]);

		if (write(fd, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

/* As many answers as come in time. */
static size_t
hear(int fd, char *answers, size_t max)
{
	int64_t end = clock_mono_ms() + LOOKUP_TIME, left;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = 0;

	while (n < max && (left = end - clock_mono_ms()) > 0) {
		ssize_t got;

		if (poll(&p, 1, (int)left) <= 0)
			continue;
		got = read(fd, answers + n, max - n);
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	return n;
}

static void
tell_host(struct routes *r, const struct host *h, char answer)
{
	r->param = h->param;
	r->file = h->file;
	r->line = h->line;
	r->told = 0;
	if (answer == ANSWER_NONE)
		tell(r, str_c(h->name),
		    h->mx ? "there is no such domain, with mail servers or an address"
			  : "there is no such host");
	else if (answer == ANSWER_LATER)
		tell(r, str_c(h->name),
		    "could not be looked up now: the name servers of /etc/resolv.conf did not "
		    "answer in time");
}

static void
check_hosts(struct routes *r)
{
	char answers[HOSTS_MAX];
	int ends[2];
	size_t n;
	pid_t pid;

	if (r->n_hosts == 0 || pipe(ends) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		look_up_all(r, ends[1]);
	}
	close(ends[1]);
	if (pid > 0) {
		n = hear(ends[0], answers, r->n_hosts);
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		for (size_t i = 0; i < r->n_hosts; i++)
			tell_host(r, &r->hosts[i], i < n ? answers[i] : ANSWER_LATER);
	}
	close(ends[0]);
}

void
postkeep_check_routes(
    const struct conf *c, const struct plan *plan, bool look_up, struct conf_problems *problems)
{
	struct routes r = {.plan = plan, .problems = problems};

	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		struct str rest = conf_str(c, sources[i].param), item;

		r.param = sources[i].name;
		r.hops = sources[i].hops;
		r.told = 0;
		r.file = NULL;
		r.line = 0;
		if (!conf_is_set(c, sources[i].param, &r.file, &r.line) &&
		    !(sources[i].param == P_virtual_transport &&
			conf_is_set(c, P_virtual_mailbox_domains, &r.file, &r.line) &&
			conf_str(c, P_virtual_mailbox_domains).len > 0))
			continue;
		if (rest.len == 0)
			continue;
		if (!sources[i].tables)
			check_value(&r, str_trim(rest));
		while (sources[i].tables && conf_list_next(&rest, &item))
			table_each(item, on_entry, &r);
	}
	if (look_up)
		check_hosts(&r);
	for (size_t i = 0; i < r.n_hosts; i++) {
		free(r.hosts[i].name);
		free(r.hosts[i].param);
		free(r.hosts[i].file);
	}
}
