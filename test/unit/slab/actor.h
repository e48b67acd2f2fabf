/* actor.h - threads of a test that act one after another, each step when it is told to go on. */
#ifndef TEST_UNIT_SLAB_ACTOR_H
#define TEST_UNIT_SLAB_ACTOR_H

#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>

#include "test.h"

struct actor {
	pthread_t thread;
	sem_t go, done;
	void (*act)(void);
};

static inline void *actor_lives_on(void *arg)
{
	struct actor *const a = arg;

	for (;;) {
		sem_wait(&a->go);
		if (a->act == NULL)
			return NULL;
		a->act();
		sem_post(&a->done);
	}
}

static inline void begins(struct actor *a)
{
	sem_init(&a->go, 0, 0);
	sem_init(&a->done, 0, 0);
	assert_int_equal(pthread_create(&a->thread, NULL, actor_lives_on, a), 0);
}

static inline void does(struct actor *a, void (*act)(void))
{
	a->act = act;
	sem_post(&a->go);
	sem_wait(&a->done);
}

static inline void ends(struct actor *a)
{
	a->act = NULL;
	sem_post(&a->go);
	pthread_join(a->thread, NULL);
}

#endif
