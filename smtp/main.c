/*
 * smtp - deliver mail to other servers by SMTP
 */
#include "smtp/service.h"

int
main(int argc, char **argv)
{
	return client_main(false, argc, argv);
}
