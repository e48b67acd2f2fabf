/* list.c - merge sort in place, bottom up (Knuth, TAOCP 3, 5.2.4). */
#include "base/list.h"

/* Two ascending chains, linked by next and ended by NULL, into one. */
static struct list *merge(struct list *a, struct list *b, uintptr_t (*key)(const struct list *))
{
	struct list *first = NULL, **end = &first;

	while (a != NULL && b != NULL) {
		struct list **const lower = key(a) < key(b) ? &a : &b;
		*end = *lower;
		end = &(*end)->next;
		*lower = (*lower)->next;
	}
	*end = a != NULL ? a : b;
	return first;
}

/* Chains of 2^i links wait in pile[i] until a second one comes. */
void list_sort(struct list *head, uintptr_t (*key)(const struct list *))
{
	struct list *pile[64] = {NULL}, *all = NULL;

	for (struct list *at = head->next, *next; at != head; at = next) {
		size_t i = 0;
		next = at->next;
		at->next = NULL;
		for (; pile[i] != NULL; pile[i++] = NULL)
			at = merge(pile[i], at, key);
		pile[i] = at;
	}
	for (size_t i = 0; i < 64; i++)
		all = merge(pile[i], all, key);
	list_init(head);
	for (struct list *at = all, *next; at != NULL; at = next) {
		next = at->next;
		list_insert_after(head->prev, at);
	}
}
