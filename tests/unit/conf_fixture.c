/* conf_fixture - a configuration directory of its own for each case of the tests of lib/conf. */
#include "tests/unit/conf_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

char *
fixture_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	struct buf path = {0};
	char *dir;

	buf_printf(&path, "%s/test_conf.XXXXXX", tmp ? tmp : "/tmp");
	dir = buf_take(&path);
	if (!mkdtemp(dir))
		log_fatal("mkdtemp %s: %m", dir);
	return dir;
}

void
fixture_write(const char *dir, const char *name, const void *text, size_t len)
{
	struct buf path = {0};
	FILE *f;

	buf_printf(&path, "%s/%s", dir, name);
	f = fopen(buf_cstr(&path), "w");
	if (!f || fwrite(text, 1, len, f) != len || fclose(f) != 0)
		log_fatal("%s: %m", buf_cstr(&path));
	buf_free(&path);
}

void
fixture_remove(char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		struct buf path = {0};

		buf_printf(&path, "%s/%s", dir, entry->d_name);
		(void)unlink(buf_cstr(&path));
		buf_free(&path);
	}
	if (d)
		closedir(d);
	(void)rmdir(dir);
	free(dir);
}

void
fixture_tell(const struct conf_problems *p, struct buf *out)
{
	static const char *const severities[] = {"error", "waits", "warning", "warning", "note"};

	for (size_t i = 0; i < p->count; i++) {
		const struct conf_problem *problem = &p->list[i];
		const char *file = problem->file ? strrchr(problem->file, '/') : NULL;

		buf_printf(out, "%s %s:%zu: %s\n", severities[problem->severity],
		    file ? file + 1 : "-", problem->line, problem->text);
	}
}

struct conf *
fixture_load(
    const char *text, size_t len, const struct conf_override *o, size_t n, struct buf *told)
{
	struct conf_problems problems = {0};
	char *dir = fixture_dir();
	struct conf *c;

	fixture_write(dir, "main.cf", text, len);
	c = conf_load(dir, o, n, &problems);
	fixture_tell(&problems, told);
	conf_problems_free(&problems);
	fixture_remove(dir);
	return c;
}

struct conf *
fixture_load_good(const char *first, const char *more)
{
	struct buf text = {0}, told = {0};
	struct conf *c;

	buf_printf(&text, "%s%s", first, more);
	c = fixture_load(text.data, text.len, NULL, 0, &told);
	if (str_starts(buf_view(&told), STR("error ")) ||
	    str_find(buf_view(&told), STR("\nerror ")) != STR_NPOS)
		log_fatal("%s", buf_cstr(&told)); /* fuzz targets have no CMocka */
	buf_free(&text);
	buf_free(&told);
	return c;
}
