/*
 * list - doubly linked, with the links inside the elements
 *
 *	struct job { struct list_link link; ... };
 *	for (struct list_link *l = list_first(&jobs); l; l = list_next(&jobs, l))
 *		struct job *j = LIST_ITEM(l, struct job, link);
 */
#ifndef POSTKEEP_BASE_LIST_H
#define POSTKEEP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
	struct list_link *prev, *next;
};

/* A list is a link that stands for both ends. */
struct list {
	struct list_link ends;
	size_t count;
};

#define LIST_ITEM(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

static inline void
list_init(struct list *list)
{
	list->ends.prev = list->ends.next = &list->ends;
	list->count = 0;
}

static inline bool
list_empty(const struct list *list)
{
	return list->count == 0;
}

static inline struct list_link *
list_first(const struct list *list)
{
	return list->count == 0 ? NULL : list->ends.next;
}

static inline struct list_link *
list_next(const struct list *list, const struct list_link *l)
{
	return l->next == &list->ends ? NULL : l->next;
}

static inline void
list_insert_before(struct list *list, struct list_link *at, struct list_link *l)
{
	l->next = at;
	l->prev = at->prev;
	at->prev->next = l;
	at->prev = l;
	list->count++;
}

static inline void
list_append(struct list *list, struct list_link *l)
{
	list_insert_before(list, &list->ends, l);
}

static inline void
list_prepend(struct list *list, struct list_link *l)
{
	list_insert_before(list, list->ends.next, l);
}

static inline void
list_remove(struct list *list, struct list_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->prev = l->next = NULL;
	list->count--;
}

/* Moves all elements of FROM to the end of LIST. */
static inline void
list_append_all(struct list *list, struct list *from)
{
	if (from->count == 0)
		return;
	from->ends.next->prev = list->ends.prev;
	from->ends.prev->next = &list->ends;
	list->ends.prev->next = from->ends.next;
	list->ends.prev = from->ends.prev;
	list->count += from->count;
	list_init(from);
}

/* Is L in a list (any)? Only for links that were zeroed before their first use. */
static inline bool
list_linked(const struct list_link *l)
{
	return l->next != NULL;
}

/* Takes the first element off; NULL when there is none. */
static inline struct list_link *
list_shift(struct list *list)
{
	struct list_link *l = list_first(list);

	if (l)
		list_remove(list, l);
	return l;
}

#endif
