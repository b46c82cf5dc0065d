/* feedback_step - see feedback_step.h */
#include "lib/conf/feedback_step.h"

bool
feedback_parse(struct str text, struct feedback_step *step)
{
	size_t slash = str_chr(text, '/');
	struct str number = str_trim(str_sub(text, 0, slash));
	struct str name = slash == STR_NPOS ? STR_EMPTY : str_trim(str_from(text, slash + 1));
	double amount = 0, place = 0;

	for (size_t i = 0; i < number.len; i++) {
		char c = number.data[i];

		if (c == '.' && place == 0) {
			place = 1;
		} else if (c >= '0' && c <= '9') {
			amount = amount * 10 + (c - '0');
			place *= 10;
		} else {
			return false;
		}
	}
	amount /= place > 0 ? place : 1;
	if (number.len == 0 || number.len > 12 || str_eq(number, STR(".")) || amount > 1)
		return false;
	step->amount = amount;
	step->divisor = FEEDBACK_BY_ONE;
	if (str_eq(name, STR("concurrency")))
		step->divisor = FEEDBACK_BY_CONCURRENCY;
	else if (str_eq(name, STR("sqrt_concurrency")))
		step->divisor = FEEDBACK_BY_ROOT;
	else if (slash != STR_NPOS)
		return false;
	return true;
}
