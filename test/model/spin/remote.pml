/* remote.pml - slab's protocol for frees across threads, ends of threads, and heaps without a thread.
 *
 *   spin -a remote.pml && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan
 *
 * A slab of three blocks; its owner, who frees one and ends; two who free the others; one who needs a slab,
 * and takes this one over if its heap has no thread, or opens one or two where this was; and one who frees
 * the block of that.  The slab has two granules, the last block is in the second; -DSINGLE: one granule.
 * What the model says step by step, src/slab says with:
 *
 *   avail       bits that anybody may set                mark_word() or avail_word(): free, whoever freed it
 *   tag[g]      the heap, 0: none                        root.tags[granule], its heap
 *   flag[g]     others have freed                        TAG_REMOTE in the same word
 *   inbox[h]    a bit for each granule: is the slab that begins there in it?     heap.inbox, a list
 *   counted     those that the owner has collected       avail_word() alone; slab.avail is their number
 *   second      whose is granule 1?                      slab_covering()
 *
 * A tag and its flag change together (one word), so they change in one atomic block here.  A load before
 * an atomic change that finds the same is left out.
 * Checked: assertions on the way, and at the end, when all have ended, that every free block is found:
 * counted, or flagged and in the inbox of the slab's heap; that a slab that is all free was released; and that
 * no flag is up where a slab begins that is in no inbox: nobody would ever look there again.
 *
 * -DBUG=n plants a fault (test/model/spin/run): 1 the owner looks before it takes the flag down, 2 the flag before
 * the bit, 3 release without a look at the flag, 4 a moving slab is looked at before it has its new tag,
 * 5 the inbox is emptied in two steps, 6 inheriting from a heap that has a thread, 7 a further granule is
 * flagged after the bit, when the slab may have gone, 8 or before the push without a look whose it is,
 * 9 who releases for a sleeping owner drops what is not empty, 10 and gives a lock back without a look whether
 * somebody found it taken, 11 as does who inherits.
 */
#ifndef BUG
#define BUG 0
#endif
#define ALL 7
#ifdef SINGLE
#define GRANULE_OF(b) 0
#else
#define GRANULE_OF(b) (b == 2)
#endif
#define NEW 3 /* the block of the other slab */

byte avail;             /* bits of the three blocks */
byte counted;           /* of them, as the owner knows */
byte held = ALL;        /* blocks that the program has */
bool released;

bool new_avail, new_counted, new_held, new_open, new_released; /* the other slab, of one block */
byte new_at;            /* the granule */
bool new_both;          /* one more slab begins at granule 0, and all in it stays live */

byte tag[2];
bool flag[2];
byte second;            /* granule 1 is: 0 nothing's, 1 the first slab's, 2 the other's */
byte inbox[3];
bool lock[3];           /* heap h's */
bool has_thread[3];
byte done;

inline take_lock(h) { atomic { !lock[h] -> lock[h] = true } }
inline try_lock(h, got) { atomic { if :: !lock[h] -> lock[h] = true; got = true :: else -> got = false fi } }
inline give_lock(h) { lock[h] = false }

/* What a function has in variables of its own, h apart, is forgotten at its end: fewer states. */
#define LOCALS byte h, got, keep, seen; bool up, mine, gone, all_free
inline forget() { atomic { got = 0; keep = 0; seen = 0; up = false; gone = false; all_free = false } }

/* All is free: back to the page heap, unless the flag is up (one compare-and-exchange). */
inline settle(h)
{
	if
	:: counted == ALL && !released ->
		atomic {
			gone = false;
			if
#if BUG == 3
			:: true -> tag[0] = 0; gone = true
#else
			:: tag[0] == h && !flag[0] -> tag[0] = 0; gone = true
			:: else
#endif
			fi
		}
		if
		:: gone ->
#ifndef SINGLE
			atomic { tag[1] = 0; flag[1] = false; second = 0 }
#endif
			released = true
		:: else
		fi
	:: else
	fi
}

inline settle_new(h)
{
	if
	:: new_counted && !new_released ->
		atomic {
			if
			:: tag[new_at] == h && !flag[new_at] -> tag[new_at] = 0; new_released = true
			:: else
			fi
		}
	:: else
	fi
}

/* heap_look_at() at the slab that begins at granule g: the flags down, then the look, a word after another */
inline look_at(h, g)
{
	if
	:: new_open && g == new_at ->
		atomic { flag[g] = false }
		new_counted = new_avail;
		settle_new(h)
	:: new_both && g == 0 -> atomic { flag[0] = false }
	:: else ->
#if BUG == 1
		counted = avail & 3;
		counted = counted | (avail & 4);
#endif
		atomic { flag[0] = false }
#ifndef SINGLE
		atomic { flag[1] = false }
#endif
#if BUG != 1
		seen = avail & 3;
		counted = seen | (avail & 4);
#endif
		settle(h)
	fi
}

/* heap_drain_inbox() */
inline drain(h)
{
#if BUG == 5
	got = inbox[h];
	inbox[h] = 0;
#else
	atomic { got = inbox[h]; inbox[h] = 0 }
#endif
	if
	:: got & 1 -> look_at(h, 0)
	:: else
	fi;
	if
	:: got & 2 -> look_at(h, 1)
	:: else
	fi;
	forget()
}

/* remote_settle_for(): nobody will look there but us */
inline settle_for(h)
{
	do
	:: inbox[h] != 0 && !has_thread[h] ->
		try_lock(h, mine);
		if
		:: mine ->
			if
			:: !has_thread[h] -> drain(h)
			:: else
			fi;
			give_lock(h)
		:: else -> break
		fi
	:: else -> break
	od
}

/* remote_release_emptied(), for one granule of what was in the inbox */
inline release_if_emptied(h, g)
{
	if
	:: got & (1 << g) ->
		if
		:: new_open && g == new_at -> all_free = new_avail
		:: new_both && g == 0 -> all_free = false
		:: else -> all_free = ((avail & 3) == 3); all_free = (all_free && (avail & 4))
		fi;
		if
		:: all_free -> look_at(h, g)
		:: else -> keep = keep | (1 << g)
		fi
	:: else
	fi
}

/* release_for(): every 64th push, so now or not at all */
inline release_for(h)
{
	if
	:: true
	:: try_lock(h, mine);
		if
		:: mine ->
			keep = 0;
			atomic { got = inbox[h]; inbox[h] = 0 }
			release_if_emptied(h, 0);
			release_if_emptied(h, 1);
#if BUG != 9
			atomic { assert(!(inbox[h] & keep & 1)); inbox[h] = inbox[h] | (keep & 1) }
			atomic { assert(!(inbox[h] & keep & 2)); inbox[h] = inbox[h] | (keep & 2) }
#endif
			forget();
			give_lock(h);
#if BUG != 10
			settle_for(h)
#endif
		:: else
		fi
	fi
}

inline set_bit(b)
{
	if
	:: b == NEW -> atomic { assert(!new_avail); new_avail = true }
	:: else -> atomic { assert((avail & (1 << b)) == 0); avail = avail | (1 << b) }
	fi
}

/* remote_free(): head and granule are those of the block when it was live */
inline remote_free(b, head, granule)
{
#if BUG == 2
	atomic { up = flag[head]; h = tag[head]; flag[head] = true }
	set_bit(b);
#else
#if BUG != 7
	if
	:: granule != head -> atomic { flag[granule] = true }
	:: else
	fi;
#endif
	set_bit(b);
#if BUG == 7
	if
	:: granule != head -> atomic { flag[granule] = true }
	:: else
	fi;
#endif
	atomic { up = flag[head]; h = tag[head]; flag[head] = true }
#endif
	if
	:: !up && h != 0 ->
		if
#if BUG == 8
		:: granule != head -> atomic { flag[granule] = true }
#else
		:: granule != head && second == 1 -> atomic { flag[granule] = true }
#endif
		:: else
		fi;
		atomic { assert(!(inbox[h] & (1 << head))); inbox[h] = inbox[h] | (1 << head) }
		settle_for(h);
		release_for(h)
	:: else
	fi;
	atomic { h = 0; mine = false; forget() }
}

/* The owner: looks around, frees one of its own, and ends, leaving heap 1 without a thread. */
proctype Owner()
{
	LOCALS;
	take_lock(1); /* cache_look_around() */
	drain(1);
	give_lock(1);
	held = held & ~1;
	take_lock(1);
	assert(tag[0] == 1); /* what is ours stays ours while we live */
	atomic { avail = avail | 1 }
	counted = counted | 1;
	settle(1);
	give_lock(1);
	/* thread_leave_heap() */
	take_lock(1);
	has_thread[1] = false;
	drain(1);
	give_lock(1);
	settle_for(1);
	done++
}

proctype Free(byte b)
{
	LOCALS;
	held = held & ~(1 << b);
	remote_free(b, 0, GRANULE_OF(b));
	done++
}

/* Frees the block of the other slab, if there will be one. */
proctype Free_new()
{
	LOCALS;
	if
	:: new_held -> new_held = false; remote_free(NEW, new_at, new_at)
	:: done >= 4 && !new_held
	fi;
	done++
}

/* Needs a slab, and may find one in heap 1 (heap_reclaim, move_slab), of which it takes no block; or opens one
 * where the first was (slab_open, slab_tag, slab_take). */
proctype Needs()
{
	LOCALS;
	bool found, moved;
	take_lock(2);
	try_lock(1, found);
	if
#if BUG == 6
	:: found && counted != 0 && !released ->
#else
	:: found && !has_thread[1] && counted != 0 && !released ->
#endif
#if BUG == 4
		atomic { if :: tag[0] == 1 && !flag[0] -> tag[0] = 0; moved = true :: else fi }
#else
		atomic { if :: tag[0] == 1 && !flag[0] -> tag[0] = 2; moved = true :: else fi }
#endif
		if
		:: moved ->
#ifndef SINGLE
			atomic { tag[1] = 2; flag[1] = false }
#endif
			seen = avail & 3;
			counted = seen | (avail & 4);
#if BUG == 4
			atomic { tag[0] = 2; flag[0] = false }
#endif
			settle(2)
		:: else
		fi
	:: else
	fi;
	if
	:: found ->
		give_lock(1);
#if BUG != 11
		settle_for(1)
#endif
	:: else
	fi;
	if
	:: released && !moved ->
		if
		:: new_at = 0
#ifndef SINGLE
		:: new_at = 1; second = 2
		:: new_at = 1; second = 2; new_both = true;
			atomic { tag[0] = 2; flag[0] = false }
#endif
		fi;
		new_avail = true; new_counted = true; new_open = true;
		atomic { tag[new_at] = 2; flag[new_at] = false }
		atomic { new_avail = false }
		new_counted = false;
		new_held = true
	:: else
	fi;
	give_lock(2);
	done++
}

init {
	atomic {
		has_thread[1] = true; has_thread[2] = true;
		tag[0] = 1;
#ifndef SINGLE
		tag[1] = 1; second = 1;
#endif
		run Owner(); run Free(1); run Free(2); run Needs(); run Free_new()
	}
	(done == 5) ->
	assert(!lock[1] && !lock[2]);
	assert(held == 0 && avail == ALL);
	/* found: whoever looks next sees all of it */
	assert(released || counted == avail || (flag[0] && tag[0] != 0 && (inbox[tag[0]] & 1)));
	assert(!new_open || new_released || new_counted == new_avail ||
	    (flag[new_at] && tag[new_at] == 2 && (inbox[2] & (1 << new_at))));
	/* nothing in an inbox that does not begin there, or is of another heap */
	assert(!(inbox[1] & 1) || (!released && tag[0] == 1 && flag[0]));
	assert(!(inbox[1] & 2));
	assert(!(inbox[2] & 1) || (tag[0] == 2 && flag[0]));
	assert(!(inbox[2] & 2) || (tag[1] == 2 && flag[1] && new_open && new_at == 1));
	/* no flag is up of which nobody will ever take notice */
	assert(released || !flag[0] || (inbox[tag[0]] & 1));
	assert(!new_both || !flag[0] || (inbox[2] & 1));
	assert(!new_open || new_released || !flag[new_at] || (inbox[2] & (1 << new_at)));
	/* and nothing waits for ever in a heap that nobody looks into, unless somebody holds what is left */
	assert(!(counted == ALL && !flag[0] && !released));
	assert(!(inbox[1] != 0 && !has_thread[1]))
#ifdef SEEN
	/* Not so: a free by the owner of what somebody freed can pass its hit path. */
	;assert(released || counted == avail || flag[1])
#endif
}
