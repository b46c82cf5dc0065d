/*
 * postdrop - the parts of the set-group-id program that stores local mail
 *
 * postdrop.c reads and checks the stream, postdrop_entry.c makes the process safe and finds the
 * configuration, postdrop_pickup.c hands a message to the running suite, postdrop_file.c stores it for
 * later.
 */
#ifndef POSTKEEP_SENDMAIL_POSTDROP_H
#define POSTKEEP_SENDMAIL_POSTDROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/siphash.h"
#include "lib/base/str.h"
#include "lib/ipc/messages.h"

/* How a message's way ended: the exit status, and what to tell the caller. */
struct verdict {
	int status;
	bool nothing; /* not a byte of a message came */
	struct buf text;
};
void verdict_set(struct verdict *v, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- postdrop_entry.c ---- */

struct entry {
	const char *config_dir; /* -c */
	bool from_sendmail;     /* -r: who reads the answer tells the user */
	int verbose;
};

/*
 * Everything before the first byte of input: descriptors, environment, signals, arguments,
 * configuration, the right to submit, the working directory. False with the verdict.
 */
bool entry(int argc, char **argv, struct entry *e, struct verdict *v);
/* Waits for input on FD; false when a signal says to give up. Signals are held back at other times. */
bool entry_wait(int fd);

/* ---- postdrop_pickup.c ---- */

struct pickup_link;

enum pickup_answer {
	PICKUP_OK,
	PICKUP_ABSENT, /* not there, or it cannot take mail now; nothing was submitted: store a file */
	PICKUP_REFUSED, /* the verdict says why */
};

/* Connects, announces the message and waits until pickup wants it. */
enum pickup_answer pickup_open(struct pickup_link **link, const struct msg_drop_begin *envelope,
    const struct msg_rcpt *rcpts, size_t n_rcpts, struct verdict *v);
/* False: the connection is lost, or pickup has spoken before its turn; nothing has been submitted. */
bool pickup_content(struct pickup_link *link, struct str content);
/* After pickup_content() has failed: PICKUP_REFUSED with pickup's reason, else PICKUP_ABSENT. */
enum pickup_answer pickup_gone(struct pickup_link *link, struct verdict *v);
/* All content was given. Never PICKUP_ABSENT: a lost answer is a refusal with status 75. */
enum pickup_answer pickup_commit(struct pickup_link *link, uint64_t size, struct verdict *v);
void pickup_close(struct pickup_link **link);

/* ---- postdrop_file.c ---- */

struct drop_file {
	int fd;
	char name[64];      /* "maildrop/…" */
	struct siphash sum; /* of what was written */
};

/* False with the verdict; whatever was written is removed then. */
bool drop_file_open(struct drop_file *f, struct verdict *v);
bool drop_file_write(struct drop_file *f, struct str records, struct verdict *v);
/* Makes it complete and durable; WITH_SUM: its sum behind it (drop_has_sum()). */
bool drop_file_commit(struct drop_file *f, bool with_sum, struct verdict *v);
/* Removes it; nothing when it is committed or was never opened (fd -1). */
void drop_file_discard(struct drop_file *f);

#endif
