/*
 * problems - what is wrong with a configuration, gathered
 */
#include "lib/conf/conf.h"

#include <stdarg.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

/* Nobody repairs more in one go, and an absurd file must not fill the memory. */
#define PROBLEMS_MAX 1000

void
conf_problem(struct conf_problems *p, enum conf_severity severity, const char *file, size_t line,
    const char *format, ...)
{
	struct conf_problem *new;
	struct buf text = {0};
	va_list ap;

	if (severity == CONF_ERROR)
		p->errors++;
	if (p->count >= PROBLEMS_MAX)
		return;
	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	p->list = mem_resize(p->list, (p->count + 1) * sizeof(*p->list));
	new = &p->list[p->count++];
	new->severity = severity;
	new->file = file ? mem_strdup(file) : NULL;
	new->line = line;
	new->text = buf_take(&text);
}

void
conf_problems_free(struct conf_problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->list[i].file);
		free(p->list[i].text);
	}
	free(p->list);
	*p = (struct conf_problems){0};
}
