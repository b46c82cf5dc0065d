/* service - the program, as SMTP client or as LMTP client */
#ifndef POSTKEEP_SMTP_CLIENT_SERVICE_H
#define POSTKEEP_SMTP_CLIENT_SERVICE_H

#include <stdbool.h>

/* main() of smtp (LMTP false) and of lmtp. */
int client_main(bool lmtp, int argc, char **argv);

#endif
