/*
 * postkeep_check - everything that can be looked at before mail gets hurt
 *
 * Nothing is changed and nothing is started. Each problem names its place and its repair.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/conf/params.h"
#include "lib/ipc/postlog.h"
#include "lib/mail/notice_file.h"
#include "lib/service/plan.h"
#include "lib/service/tree.h"

/* The lists that say to which class a domain belongs, in Postfix's order of precedence. */
static const enum param class_params[] = {
    P_mydestination, P_virtual_alias_domains, P_virtual_mailbox_domains, P_relay_domains};

#define CLASSES (sizeof(class_params) / sizeof(class_params[0]))

static void
copy_problems(const struct conf_problems *from, struct conf_problems *to)
{
	for (size_t i = 0; i < from->count; i++)
		conf_problem(to, from->list[i].severity, from->list[i].file, from->list[i].line,
		    "%s", from->list[i].text);
}

static bool
reported(const struct conf_problems *problems, const struct conf_problem *p)
{
	for (size_t i = 0; i < problems->count; i++)
		if (strcmp(problems->list[i].text, p->text) == 0)
			return true;
	return false;
}

/* The -o settings of master.cf are read as their process will read them. */
static void
check_overrides(const struct postkeep *p, const struct plan *plan, struct conf_problems *problems)
{
	for (size_t i = 0; i < plan->cf->count; i++) {
		const struct master_entry *e = &plan->cf->entries[i];
		struct conf_problems found = {0};
		struct conf *c;

		if (e->n_overrides == 0)
			continue;
		c = conf_load(p->config_dir, e->overrides, e->n_overrides, &found);
		for (size_t j = 0; j < found.count; j++)
			if (!reported(&p->problems, &found.list[j]))
				conf_problem(problems, found.list[j].severity, plan->file, e->line,
				    "service %s: %s", e->name, found.list[j].text);
		postkeep_check_tables(c, plan->file, e->line, problems);
		conf_problems_free(&found);
		conf_free(&c);
	}
}

static bool
plain_domain(struct str item)
{
	return item.len > 0 && item.data[0] != '!' && item.data[0] != '/' &&
	    str_chr(item, ':') == STR_NPOS;
}

/* Relay domains that are defined as "$mydestination" overlap by intent. */
static bool
by_intent(const struct conf *c, enum param p)
{
	return str_find(conf_raw(c, p), STR("mydestination")) != STR_NPOS;
}

static void
check_class(const struct conf *c, size_t class, struct hash *seen, struct conf_problems *problems)
{
	struct str rest = conf_str(c, class_params[class]), item;

	while (conf_list_next(&rest, &item)) {
		char *name = str_dup(item);
		const char *file = NULL;
		size_t line = 0;
		const enum param *first;

		for (char *s = name; *s; s++)
			if (*s >= 'A' && *s <= 'Z')
				*s = (char)(*s - 'A' + 'a');
		first = plain_domain(item) ? hash_get(seen, str_c(name)) : NULL;
		if (first && *first != class_params[class]) {
			conf_is_set(c, class_params[class], &file, &line);
			conf_problem(problems, CONF_WARNING, file, line,
			    "the domain %s stands in %.*s and in %.*s; the first one counts: "
			    "remove "
			    "it from the other",
			    name, STR_ARG(param_name(*first)),
			    STR_ARG(param_name(class_params[class])));
		} else if (!first && plain_domain(item)) {
			hash_put(seen, str_c(name), (void *)(uintptr_t)&class_params[class]);
		}
		free(name);
	}
}

static void
check_domains(const struct conf *c, struct conf_problems *problems)
{
	struct hash *seen = hash_new();

	for (size_t i = 0; i < CLASSES; i++)
		if (i == 0 || !by_intent(c, class_params[i]))
			check_class(c, i, seen, problems);
	hash_free(&seen, NULL);
}

static void
check_templates(const struct conf *c, struct conf_problems *problems)
{
	const char *path = conf_cstr(c, P_bounce_template_file);
	struct notice_text texts[NOTICE_KINDS];
	struct notice_file_error error = {0};
	struct arena *a = arena_new(1024);

	if (*path && !notice_file_load(path, c, a, texts, &error))
		conf_problem(problems, CONF_ERROR, path, error.line,
		    "bounce_template_file: %s (bounce(5) has the format; postconf -b shows what "
		    "becomes of it)",
		    buf_cstr(&error.why));
	buf_free(&error.why);
	arena_free(&a);
}

static void
check_seccomp(struct conf_problems *problems)
{
	unsigned action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		conf_problem(problems, CONF_WARNING, NULL, 0,
		    "the kernel has no seccomp filter (%s): programs that talk to strangers run "
		    "without it; use a kernel with CONFIG_SECCOMP_FILTER",
		    strerror(errno));
}

/* What root executes or believes must be root's. */
static void
check_owner(const char *path, bool must_exist, struct conf_problems *problems)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (must_exist)
			conf_problem(
			    problems, CONF_ERROR, NULL, 0, "%s: %s", path, strerror(errno));
		return;
	}
	if (geteuid() == 0 && st.st_uid != 0)
		conf_problem(problems, CONF_WARNING, NULL, 0,
		    "%s belongs to user %u: chown root %s", path, (unsigned)st.st_uid, path);
	if (st.st_mode & 022)
		conf_problem(problems, CONF_WARNING, NULL, 0,
		    "%s can be changed by others (mode %04o): chmod go-w %s", path,
		    (unsigned)(st.st_mode & 07777), path);
}

static void
check_files(const struct postkeep *p, struct conf_problems *problems)
{
	struct buf path = {0};
	const char *daemons = conf_cstr(p->conf, P_daemon_directory);

	check_owner(p->config_dir, true, problems);
	check_owner(conf_file(p->conf), false, problems);
	buf_printf(&path, "%s/master.cf", p->config_dir);
	check_owner(buf_cstr(&path), false, problems);
	check_owner(daemons, true, problems);
	buf_reset(&path);
	buf_printf(&path, "%s/master", daemons);
	check_owner(buf_cstr(&path), true, problems);
	check_owner(conf_cstr(p->conf, P_command_directory), true, problems);
	buf_free(&path);
}

/* Can the log be written where it is meant to go? If not it goes elsewhere, and nobody looks there. */
static void
check_log(const struct postkeep *p, struct conf_problems *problems)
{
	const char *path = conf_cstr(p->conf, P_maillog_file), *file = NULL, *wrong = NULL;
	char *directory = mem_strdup(path), *slash = strrchr(directory, '/');
	size_t line = 0;
	struct stat st;

	conf_is_set(p->conf, P_maillog_file, &file, &line);
	if (slash && strcmp(path, "/dev/stdout") != 0) {
		slash[slash == directory] = '\0';
		if (geteuid() == 0 && !postlog_file_allowed(p->conf, str_c(path)))
			wrong = "not below one of maillog_file_prefixes";
		else if (stat(directory, &st) < 0)
			wrong = "there is no such directory";
		else if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
			wrong = "not a plain file";
	}
	if (wrong)
		conf_problem(problems, CONF_ERROR, file, line,
		    "maillog_file = %s: %s: the log would go elsewhere", path, wrong);
	free(directory);
}

/* Where local's mail is kept: home_mailbox, or else mail_spool_directory. */
static void
check_mailboxes(const struct postkeep *p, struct conf_problems *problems)
{
	const char *home = conf_cstr(p->conf, P_home_mailbox), *file = NULL;
	const char *spool = conf_cstr(p->conf, P_mail_spool_directory);
	size_t line = 0;
	struct stat st;

	if (*home == '/') {
		conf_is_set(p->conf, P_home_mailbox, &file, &line);
		conf_problem(problems, CONF_WARNING, file, line,
		    "home_mailbox = %s is below each user's home directory, in spite of the \"/\" "
		    "in front; "
		    "for one directory for all set mail_spool_directory",
		    home);
	} else if (!*home && (stat(spool, &st) < 0 || !S_ISDIR(st.st_mode))) {
		conf_is_set(p->conf, P_mail_spool_directory, &file, &line);
		conf_problem(problems, CONF_WARNING, file, line,
		    "mail_spool_directory: there is no directory %s: mail for users of this "
		    "machine waits",
		    spool);
	}
}

/* main.cf before master.cf before what comes from no file. */
static int
rank(const struct conf_problem *p)
{
	if (!p->file)
		return 2;
	return str_ends_nocase(str_c(p->file), STR("/master.cf")) ? 1 : 0;
}

/* By file and line; what stands at the same place keeps its order. */
static void
sort_problems(struct conf_problems *problems)
{
	for (size_t i = 1; i < problems->count; i++) {
		struct conf_problem p = problems->list[i];
		size_t j = i;

		while (j > 0 &&
		    (rank(&problems->list[j - 1]) > rank(&p) ||
			(rank(&problems->list[j - 1]) == rank(&p) &&
			    problems->list[j - 1].line > p.line))) {
			problems->list[j] = problems->list[j - 1];
			j--;
		}
		problems->list[j] = p;
	}
}

void
postkeep_gather(struct postkeep *p, bool hosts, struct conf_problems *problems)
{
	struct pidfile_info running;
	struct service_ids ids;
	struct buf why = {0};
	struct plan *plan;

	copy_problems(&p->problems, problems);
	plan = plan_load(p->conf, p->config_dir, problems);
	check_overrides(p, plan, problems);
	check_domains(p->conf, problems);
	postkeep_check_tables(p->conf, NULL, 0, problems);
	check_templates(p->conf, problems);
	postkeep_check_routes(p->conf, plan, hosts, problems);
	check_files(p, problems);
	check_log(p, problems);
	check_mailboxes(p, problems);
	postkeep_check_tls(p->conf, plan, problems);
	if (tree_users(p->conf, &ids, problems))
		tree_walk(p->conf, &ids, TREE_CHECK, problems, NULL);
	check_seccomp(problems);
	/* Addresses can be tried only while they are not our own; after a crash they still may be. */
	if (pidfile_query(postkeep_queue(p), &running, &why) && running.pid == 0 && !running.stale)
		plan_probe(plan, problems);
	buf_free(&why);
	plan_free(&plan);
	sort_problems(problems);
}

int
postkeep_check(struct postkeep *p)
{
	struct conf_problems problems = {0};
	size_t counts[CONF_NOTE + 1] = {0};

	postkeep_gather(p, true, &problems);
	postkeep_print_problems(&problems, true);
	for (size_t i = 0; i < problems.count; i++)
		counts[problems.list[i].severity]++;
	counts[CONF_ERROR] += counts[CONF_WAITS];
	counts[CONF_WARNING] += counts[CONF_MISSED];
	postkeep_say("%s: %zu error%s, %zu warning%s, %zu note%s", p->config_dir,
	    counts[CONF_ERROR], counts[CONF_ERROR] == 1 ? "" : "s", counts[CONF_WARNING],
	    counts[CONF_WARNING] == 1 ? "" : "s", counts[CONF_NOTE],
	    counts[CONF_NOTE] == 1 ? "" : "s");
	conf_problems_free(&problems);
	return counts[CONF_ERROR] > 0 ? 1 : 0;
}
