/*
 * fuzz_main_cf - any bytes as main.cf
 *
 * The loader must end with a whole snapshot whatever it is given: every value within its type's range,
 * every text ended by NUL. The second use of the input is as a text to expand and as a list.
 */
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/conf/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_snapshot(const struct conf *c)
{
	for (size_t i = 0; i < PARAM_COUNT; i++) {
		enum param p = (enum param)i;
		const struct param_info *info = &param_infos[p];

		if (conf_cstr(c, p)[conf_str(c, p).len] != '\0')
			log_panic("%.*s is not ended", STR_ARG(param_name(p)));
		if (info->type == PARAM_TIME &&
		    (conf_time(c, p) < info->min || conf_time(c, p) > info->max))
			log_panic("%.*s is out of range", STR_ARG(param_name(p)));
		if ((info->type == PARAM_INT || info->type == PARAM_SIZE) &&
		    (conf_int(c, p) < info->min || conf_int(c, p) > info->max))
			log_panic("%.*s is out of range", STR_ARG(param_name(p)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_problems problems = {0};
	struct str text = str_n(data, size), item;
	struct buf out = {0}, why = {0};
	struct conf *c = conf_load_text("/nonexistent", text, NULL, 0, &problems);

	check_snapshot(c);
	if (!conf_expand(c, text, &out, &why) && why.len == 0)
		log_panic("an expansion fails without saying why");
	while (conf_list_next(&text, &item))
		continue;
	buf_free(&out);
	buf_free(&why);
	conf_problems_free(&problems);
	conf_free(&c);
	return 0;
}
