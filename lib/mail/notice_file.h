/* notice_file - texts of notices from a file, in the format of bounce(5) */
#ifndef POSTKEEP_MAIL_NOTICE_FILE_H
#define POSTKEEP_MAIL_NOTICE_FILE_H

#include "lib/base/arena.h"
#include "lib/conf/conf.h"
#include "lib/mail/notice_text.h"

#define NOTICE_FILE_MAX (1 << 20)

/* Where a file is wrong. */
struct notice_file_error {
	size_t line; /* 0: the file as a whole */
	struct buf why;
};

/*
 * The templates of TEXT into OUT, by enum notice_kind; what it has none for stays as built in. Parameters
 * get the values of CONF. Text lives in A. False: ERROR says where and what is wrong, OUT is as built in.
 */
bool notice_file_parse(struct str text, const struct conf *conf, struct arena *a,
    struct notice_text out[NOTICE_KINDS], struct notice_file_error *error);
/* The same of the file PATH. */
bool notice_file_load(const char *path, const struct conf *conf, struct arena *a,
    struct notice_text out[NOTICE_KINDS], struct notice_file_error *error);

#endif
