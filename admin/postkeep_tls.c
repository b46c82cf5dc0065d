/*
 * postkeep_tls - how mail is protected on its way out, looked at before it goes
 *
 * Files and settings of TLS, and every policy that stands in a table of text: a mistyped level would make
 * the mail of that destination wait.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/conf/params.h"
#include "lib/service/plan.h"
#include "lib/table/each.h"
#include "lib/tls/tls.h"

struct looking {
	struct tls_client *client;
	enum param maps;
	const char *file; /* where the table is named */
	size_t line;
	struct conf_problems *problems;
};

static void
look_at_policy(void *arg, const char *file, size_t line, struct str key, struct str value)
{
	const struct looking *l = arg;
	struct arena *a = arena_new(0);
	struct buf why = {0};
	struct tls_policy policy;

	tls_client_preload(l->client, value);
	if (!tls_policy_parse(l->client, value, a, &policy, &why))
		conf_problem(l->problems, CONF_WAITS, file ? file : l->file, file ? line : l->line,
		    "%.*s: the policy of %.*s: %.*s: its mail would wait",
		    STR_ARG(param_name(l->maps)), STR_ARG(key), STR_ARG(buf_view(&why)));
	buf_free(&why);
	arena_free(&a);
}

static void
look_at(const struct conf *conf, enum tls_client_kind kind, enum param maps,
    struct conf_problems *problems)
{
	struct tls_client *client = tls_client_check(conf, kind, problems);
	struct looking l = {.client = client, .maps = maps, .problems = problems};
	struct str rest = conf_str(conf, maps), item;

	conf_is_set(conf, maps, &l.file, &l.line);
	/* Policies are made from main.cf's: while that is wrong all of them seem to be. */
	while (!tls_client_fault(client) && conf_list_next(&rest, &item))
		table_each(item, look_at_policy, &l);
	tls_client_free(&client);
}

/* What smtp asks of mtasts, and mtasts of its file. */
static void
look_at_sts(const struct conf *conf, const struct plan *plan, struct conf_problems *problems)
{
	const char *store = conf_cstr(conf, P_mta_sts_CAfile), *file = NULL;
	size_t line = 0;

	if (!conf_bool(conf, P_smtp_tls_mta_sts))
		return;
	conf_is_set(conf, P_smtp_tls_mta_sts, &file, &line);
	if (!plan_provides(plan, "private/mtasts"))
		conf_problem(problems, CONF_WAITS, file, line,
		    "smtp_tls_mta_sts: mail for other domains would wait, as no line of "
		    "master.cf is for mtasts: add \"mtasts unix - - y - 1 mtasts\"");
	if (*store && access(store, R_OK) < 0) {
		conf_is_set(conf, P_mta_sts_CAfile, &file, &line);
		conf_problem(problems, CONF_WAITS, file, line, "mta_sts_CAfile: cannot read %s: %s",
		    store, strerror(errno));
	}
}

/* And of tlsrpt. */
static void
look_at_tlsrpt(const struct conf *conf, const struct plan *plan, struct conf_problems *problems)
{
	const char *file = NULL;
	size_t line = 0;

	if (!conf_bool(conf, P_smtp_tlsrpt_enable) || plan_provides(plan, "private/tlsrpt"))
		return;
	conf_is_set(conf, P_smtp_tlsrpt_enable, &file, &line);
	conf_problem(problems, CONF_WARNING, file, line,
	    "smtp_tlsrpt_enable: nothing would be counted, as no line of master.cf is for tlsrpt: "
	    "add \"tlsrpt unix - - n - 1 tlsrpt\"");
}

static bool
is_told(const struct conf_problems *problems, const char *text)
{
	for (size_t i = 0; i < problems->count; i++)
		if (strcmp(problems->list[i].text, text) == 0)
			return true;
	return false;
}

/* What is wrong with the settings that a line of master.cf gives its client, and was not told of main.cf's. */
static void
look_at_service(const struct conf *conf, const struct plan *plan, const struct master_entry *e,
    struct conf_problems *problems)
{
	bool lmtp = strcmp(e->command, "lmtp") == 0;
	struct conf_problems found = {0}, other = {0};
	struct conf *own;

	if (e->n_overrides == 0 || (!lmtp && strcmp(e->command, "smtp") != 0))
		return;
	own = conf_load(conf_dir(conf), e->overrides, e->n_overrides, &other);
	if (lmtp)
		look_at(own, TLS_CLIENT_LMTP, P_lmtp_tls_policy_maps, &found);
	else
		look_at(own, TLS_CLIENT_SMTP, P_smtp_tls_policy_maps, &found);
	for (size_t i = 0; i < found.count; i++) {
		const struct conf_problem *p = &found.list[i];

		if (is_told(problems, p->text))
			continue;
		if (p->line > 0)
			conf_problem(problems, p->severity, p->file, p->line, "%s", p->text);
		else
			conf_problem(problems, p->severity, plan->file, e->line, "service %s: %s",
			    e->name, p->text);
	}
	conf_problems_free(&found);
	conf_problems_free(&other);
	conf_free(&own);
}

void
postkeep_check_tls(const struct conf *conf, const struct plan *plan, struct conf_problems *problems)
{
	look_at_sts(conf, plan, problems);
	look_at_tlsrpt(conf, plan, problems);
	look_at(conf, TLS_CLIENT_SMTP, P_smtp_tls_policy_maps, problems);
	look_at(conf, TLS_CLIENT_LMTP, P_lmtp_tls_policy_maps, problems);
	for (size_t i = 0; i < plan->cf->count; i++)
		look_at_service(conf, plan, &plan->cf->entries[i], problems);
}
