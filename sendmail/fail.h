/* fail - how sendmail ends when it cannot do what it was asked to */
#ifndef POSTKEEP_SENDMAIL_FAIL_H
#define POSTKEEP_SENDMAIL_FAIL_H

/*
 * Says "sendmail: fatal: …" on standard error and in the log, and exits with STATUS (sysexits.h).
 * Nothing it has started is a message yet: a child that was being fed sees its input end too early.
 */
void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
/* The same for what is only worth a warning. */
void caution(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
