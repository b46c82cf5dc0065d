/* status - which exit status a failed call stands for: can it never work, or not now? */
#ifndef POSTKEEP_SENDMAIL_STATUS_H
#define POSTKEEP_SENDMAIL_STATUS_H

/*
 * As sysexits.h: 75 unless ERROR (errno) says that trying again cannot help. Callers throw away what can
 * never be taken.
 */
int status_run(int error);  /* a program could not be started */
int status_read(int error); /* the message could not be read */

#endif
