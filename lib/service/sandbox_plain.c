/* sandbox_plain - an ordinary build needs nothing beyond the allow-list. */
#include "lib/service/internal.h"

bool
service_sandbox_extra(void *filter)
{
	(void)filter;
	return true;
}

int
service_sandbox_exit(int status)
{
	return status;
}
