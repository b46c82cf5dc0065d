/*
 * environment - what the programs of the suite inherit
 *
 * Of master's own environment only what import_environment names passes on ("NAME" as it is,
 * "NAME=value" as written); MAIL_CONFIG says which configuration is in force.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "master/master.h"

#define SAFE_PATH "PATH=/usr/bin:/bin:/usr/sbin:/sbin"

struct environment {
	char **list;
	size_t count;
};

/* VARIABLE is "NAME=value", malloc'ed; a later one of the same name takes the place of the earlier. */
static void
set(struct environment *e, char *variable)
{
	size_t name = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < e->count; i++) {
		if (strncmp(e->list[i], variable, name) == 0) {
			free(e->list[i]);
			e->list[i] = variable;
			return;
		}
	}
	e->list = mem_resize(e->list, (e->count + 2) * sizeof(*e->list));
	e->list[e->count++] = variable;
	e->list[e->count] = NULL;
}

static void
import(struct environment *e, struct str item)
{
	char *name = str_dup(item);
	const char *value;
	struct buf b = {0};

	if (strchr(name, '=')) {
		set(e, name);
		return;
	}
	value = getenv(name);
	if (value) {
		buf_printf(&b, "%s=%s", name, value);
		set(e, buf_take(&b));
	}
	free(name);
}

char **
environment_make(const struct conf *c, const char *config_dir)
{
	struct environment e = {0};
	struct str rest = conf_str(c, P_import_environment), item;
	struct buf b = {0};

	set(&e, mem_strdup(SAFE_PATH));
	while (conf_list_next(&rest, &item))
		import(&e, item);
	buf_printf(&b, "MAIL_CONFIG=%s", config_dir);
	set(&e, buf_take(&b));
	return e.list;
}

void
environment_free(char ***env)
{
	for (char **v = *env; v && *v; v++)
		free(*v);
	free(*env);
	*env = NULL;
}
