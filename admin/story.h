/*
 * story - what the log says of one message, in plain words
 *
 * Takes lines of a log one after the other, keeps what concerns the message, and tells it. Lines come from
 * a file that others write, and contain what strangers said: they are taken for text, made printable when
 * they are shown, and their number is bounded.
 */
#ifndef POSTKEEP_ADMIN_STORY_H
#define POSTKEEP_ADMIN_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/base/str.h"

struct story;

/* Of the message ID. */
struct story *story_new(struct str id);
/* Sets *S to NULL; NULL is accepted. */
void story_free(struct story **s);
/* A line, with or without its end. */
void story_line(struct story *s, struct str line);
/* All lines of FILE, from where it stands. */
void story_read(struct story *s, FILE *file);
/* How many lines were about the message. */
size_t story_lines(const struct story *s);
/* Did the log say that it has left the queue? */
bool story_over(const struct story *s);
/* And that because the administrator has deleted it, and not because all was done? */
bool story_deleted(const struct story *s);
/* One line per event; the same event again and again is told once, with how often and when last. */
void story_tell(const struct story *s, FILE *out);

#endif
