/*
 * smtp - deliver mail to other servers by SMTP
 */
#include "smtp/client.h"

int
main(int argc, char **argv)
{
	return client_main(false, argc, argv);
}
