/*
 * lmtp - deliver mail by LMTP (RFC 2033): smtp under another name, with parameters of its own
 */
#include "smtp/service.h"

int
main(int argc, char **argv)
{
	return client_main(true, argc, argv);
}
