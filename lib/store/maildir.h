/*
 * maildir - putting messages into a Maildir
 *
 * A message is written to tmp/, synced, renamed to new/ without ever replacing a file, and there for
 * good when new/ itself has been synced; one such sync serves all messages that were renamed before it
 * began. Names follow the convention: seconds.MmicrosecondsPpidQcount.host,S=bytes,W=bytes with CRLF.
 *
 * A struct maildir may be used by several threads at once; a struct maildir_file by one at a time.
 */
#ifndef POSTKEEP_STORE_MAILDIR_H
#define POSTKEEP_STORE_MAILDIR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/store/store.h"

struct maildir;
struct maildir_file;

/*
 * PATH, relative, under the directory BASE, which must exist; both are copied. Missing directories
 * below BASE are made with mode 0700. Symbolic links below BASE are followed only if they belong to
 * root or OWNER, and the mailbox must belong to OWNER. HOST goes into file names. Touches nothing yet.
 */
struct maildir *maildir_new(const char *base, const char *path, uid_t owner, const char *host);
void maildir_free(struct maildir **m);
/* No file may have more bytes than SIZE, 0 = any number; before the first file. */
void maildir_limit(struct maildir *m, uint64_t size);

/* Would a message be taken? Makes no directories. */
bool maildir_check(struct maildir *m, struct store_problem *p);

/* A new file in tmp/; NULL with P. Looks first whether the mailbox is still where it was. */
struct maildir_file *maildir_create(struct maildir *m, struct store_problem *p);
/* The next bytes of the message. After a failure only maildir_drop() makes sense. */
bool maildir_write(struct maildir_file *f, struct str text, struct store_problem *p);
/* Head and body of MESSAGE, for a small one in a single write. */
bool maildir_put(
    struct maildir_file *f, const struct store_message *message, struct store_problem *p);
/* Has the system begin to write F to the disk: worth it when others are looked at before maildir_keep(). */
void maildir_begin_sync(const struct maildir_file *f);
/*
 * Ends the last line if need be, syncs, renames to new/. GIVEN_UP (unless NULL) is looked at just
 * before the rename: when it is set the file stays in tmp/ and this fails.
 */
bool maildir_keep(struct maildir_file *f, const atomic_bool *given_up, struct store_problem *p);

/* Is the kept file's name durable? Cheap; when not, maildir_sync() is to be called. */
bool maildir_durable(const struct maildir_file *f);
/*
 * Syncs the directory of F for all files kept there before. False: the file has been taken back from
 * new/ (unless somebody has moved it), and so it is with every other file whose name is not durable.
 */
bool maildir_sync(struct maildir_file *f, struct store_problem *p);

/* The file, open for reading and writing; bytes so far. */
int maildir_fd(const struct maildir_file *f);
uint64_t maildir_size(const struct maildir_file *f);
/* Closes; a file that was not kept is removed from tmp/. Sets *F to NULL; NULL is accepted. */
void maildir_drop(struct maildir_file **f);

#endif
