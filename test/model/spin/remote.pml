/* remote.pml - slab's protocol for frees across threads, ends of threads, and heaps without a thread.
 *
 *   spin -a remote.pml && cc -O1 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m200000
 *
 * A slab of three blocks; its owner, who frees one and ends; two who free the others; one who needs a slab,
 * and takes this one over if its heap has no thread, or opens one or two where this was; and one who frees
 * the block of that.  The slab has two granules, the last block is in the second; -DSINGLE: one granule.
 * Granule BEFORE lies before the slab and is free: a new slab of two granules may begin there and have the
 * first granule of the old slab as its second.  With -DREOPENS the owner too may open
 * that one, before it ends.
 * What the model says step by step, src/slab says with:
 *
 *   avail       bits that anybody may set                mark_word() or avail_word(): free, whoever freed it
 *   tag[g]      the heap, 0: none                        root.tags[granule], its heap
 *   flag[g]     others have freed                        TAG_REMOTE in the same word
 *   inbox[h]    a bit for each granule: is the slab that begins there in it?     heap.inbox, a list
 *   waiting[h]  the same, of what was taken out and not looked at yet            heap.waiting, a list
 *   counted     those that the owner has collected       avail_word() alone; slab.avail is their number
 *   covers[g]   the slab that covers the granule         slab_covering()
 *
 * A tag and its flag change together (one word), so they change in one atomic block here.  A load before
 * an atomic change that finds the same is left out.
 * Checked: assertions on the way, and at the end, when all have ended, that every free block is found:
 * counted, or flagged and in the inbox of the slab's heap, or waiting; that a slab that is all free was released;
 * and that no flag is up where a slab begins that is in neither: nobody would ever look there again.
 *
 * -DBUG=n plants a fault (test/model/spin/run):
 *
 *   1   the owner looks before it takes the flag down
 *   2   the flag before the bit
 *   3   release without a look at the flag
 *   4   a moving slab is looked at before it has its new tag
 *   6   inheriting from a heap that has a thread
 *   7   a further granule is flagged after the bit, when the slab may have gone
 *   8   or before the push without a look whose it is
 *   9   who releases for a sleeping owner drops what is not empty
 *   11  who inherits gives a lock back without a look whether somebody found it taken
 *   12  who frees flags and pushes without the heap's lock (slab did so until 24eb7a5)
 *   13  or with the lock, but pushes what its block's slab was
 *   14  or does not look after the bit whether the owner took a further granule's flag down (as slab until a567909)
 *
 * 5 was to empty an inbox in two steps, which is no fault since who pushes holds the heap's lock.  10 was that who
 * releases for a sleeping owner gives the lock back without a look, as in 11: no fault since it drains the inbox of a
 * heap without a thread.
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
#define BEFORE 2 /* a granule; 0 and 1 are the first slab's */

/* What covers a granule; a slab of BOTH begins at granule 0, one of OLD too. */
#define NOTHING 0
#define OLD 1
#define OTHER 2
#define BOTH 3
#define BEGIN_OF(slab) (slab == OTHER -> new_at : 0)

byte avail;             /* bits of the three blocks */
byte counted;           /* of them, as the owner knows */
byte held = ALL;        /* blocks that the program has */
bool released;

bool taken;             /* by the other slab: the granules of the first, or one of them and BEFORE */
bool new_avail, new_counted, new_held, new_open, new_released; /* the other slab, of one block */
byte new_at;            /* the granule where it begins */
byte new_in;            /* and the one of its block */
byte new_heap;
bool new_both;          /* one more slab begins at granule 0, and all in it stays live */

byte tag[3];
bool flag[3];
byte covers[3];
byte inbox[3];
byte waiting[3];
bool lock[3];           /* heap h's */
bool has_thread[3];
byte done;

inline take_lock(h) { atomic { !lock[h] -> lock[h] = true } }
inline try_lock(h, got) { atomic { if :: !lock[h] -> lock[h] = true; got = true :: else -> got = false fi } }
inline give_lock(h) { lock[h] = false }

/* What a function has in variables of its own, h apart, is forgotten at its end: fewer states. */
#define LOCALS byte h, g, got, keep, seen; bool up, mine, gone, all_free
inline forget() { atomic { g = 0; got = 0; keep = 0; seen = 0; up = false; gone = false; all_free = false } }

#include "remote_slab.pml"

/* The first granule of a slab out of the inbox: g. */
#define FIRST_OF(set) (set & 1 -> 0 : (set & 2 -> 1 : BEFORE))
#define next_of_inbox() atomic { got != 0 -> g = FIRST_OF(got); got = got & ~(1 << g) }

/* What remote_next_waiting() returns one by one: who pushes holds the lock. */
#define take_inbox(h) atomic { got = inbox[h] | waiting[h]; inbox[h] = 0; waiting[h] = 0 }

/* search_inbox(): it stops at any slab, and the others wait */
inline search(h)
{
	take_inbox(h);
	do
	:: next_of_inbox() -> look_at(h, g)
	:: atomic { waiting[h] = got; break }
	od;
	forget()
}

/* heap_drain_inbox() */
inline drain(h)
{
	take_inbox(h);
	do
	:: next_of_inbox() -> look_at(h, g)
	:: got == 0 -> break
	od;
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

/* heap_release_emptied(): all is free, so that nobody frees, and the flag need not go down first */
inline release_flagged(h)
{
	counted = ALL;
	atomic { assert(tag[0] == h && flag[0]); tag[0] = 0; flag[0] = false }
	close_old()
}

inline push(h, g)
{
	atomic { assert(!((inbox[h] | waiting[h]) & (1 << g))); inbox[h] = inbox[h] | (1 << g) }
}

/* remote_release_emptied(), for one slab of what was in the inbox */
inline release_if_emptied(h, g)
{
	if
	:: covers[g] == OTHER -> all_free = new_avail
	:: covers[g] == BOTH -> all_free = false
	:: else -> all_free = ((avail & 3) == 3); all_free = (all_free && (avail & 4))
	fi;
	if
	:: all_free -> look_at(h, g) /* a slab that is not its heap's only one: release_flagged() */
	:: all_free && g == 0 && covers[0] == OLD -> release_flagged(h)
	:: else -> keep = keep | (1 << g)
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
			if
			:: !has_thread[h] -> drain(h)
			:: else ->
				keep = 0;
				take_inbox(h);
				do
				:: next_of_inbox() -> release_if_emptied(h, g)
				:: got == 0 -> break
				od;
#if BUG != 9
				waiting[h] = keep;
#endif
				forget()
			fi;
			give_lock(h);
			settle_for(h)
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

/* The decisions of notify_owner() and flag_and_push(): who holds heap h's lock finds the same as long as it
 * holds it, so one step takes the lock and decides. */
inline look_below(h, head, granule)
{
	atomic {
		!lock[h] -> lock[h] = true;
		gone = (tag[head] != h);
#if BUG == 8 || BUG == 13
		seen = OLD;
		got = head;
#else
		seen = covers[granule];
		got = BEGIN_OF(seen);
#endif
		up = (gone || seen == NOTHING || tag[got] != h);
		seen = 0
	}
}

#if BUG == 14
#define both_flagged(head, granule) flag[head]
#else
#define both_flagged(head, granule) (flag[head] && flag[granule])
#endif

/* notify_owner() */
inline notify(head, granule)
{
#if BUG == 12
	atomic { up = flag[head]; h = tag[head]; flag[head] = true }
	if
	:: !up && h != 0 ->
		if
		:: granule != head && covers[granule] == OLD -> atomic { flag[granule] = true }
		:: else
		fi;
		push(h, head);
		settle_for(h);
		release_for(h)
	:: else
	fi;
#else
	do
	:: atomic { !both_flagged(head, granule) && tag[head] != 0 -> h = tag[head] }
		look_below(h, head, granule);
		if
		:: !up ->
			atomic { up = flag[got]; flag[got] = true }
#if BUG != 13
			if
			:: granule != got -> atomic { flag[granule] = true }
			:: else
			fi;
#endif
			if
			:: !up -> push(h, got)
			:: else
			fi
		:: else
		fi;
		atomic { up = false; got = 0 }
		give_lock(h);
		settle_for(h);
		if
		:: !gone -> release_for(h); break
		:: else
		fi
	:: atomic { both_flagged(head, granule) || tag[head] == 0 -> break }
	od;
#endif
	atomic { h = 0; mine = false; forget() }
}

/* remote_free(): head and granule are those of the block when it was live */
inline remote_free(b, head, granule)
{
#if BUG == 2
	notify(head, granule);
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
	notify(head, granule);
#endif
}

/* slab_open(), slab_tag(), slab_take(): heap h's lock is held.  The slab's first granule is `at`. */
inline open_new(h, at)
{
	atomic { /* nobody else looks there before the tag */
		new_at = at;
		new_heap = h;
		new_in = (at == BEFORE -> 0 : at);
		covers[at] = OTHER;
		covers[new_in] = OTHER;
		new_avail = true;
		new_counted = true;
		new_open = true
	}
	if
	:: at == BEFORE -> atomic { tag[0] = h; flag[0] = false }
	:: else
	fi;
	atomic { tag[at] = h; flag[at] = false }
	atomic { new_avail = false; new_counted = false; new_held = true }
}

/* The owner: looks around, frees one of its own, and ends, leaving heap 1 without a thread. */
proctype Owner()
{
	LOCALS;
	take_lock(1); /* find_partial() or cache_look_around() */
	search(1);
	give_lock(1);
	held = held & ~1;
	take_lock(1);
	assert(tag[0] == 1); /* what is ours stays ours while we live */
	atomic { avail = avail | 1 }
	counted = counted | 1;
	settle(1);
	if
#ifdef REOPENS
	:: atomic { released && !taken -> taken = true }
		open_new(1, BEFORE)
#endif
	:: true
	fi;
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
	:: new_held -> new_held = false; remote_free(NEW, new_at, new_in)
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
	:: atomic { released && !moved && !taken -> taken = true }
		if
		:: open_new(2, 0)
		:: open_new(2, BEFORE)
#ifndef SINGLE
		:: open_new(2, 1)
		:: atomic { covers[0] = BOTH; new_both = true; tag[0] = 2; flag[0] = false }
			open_new(2, 1)
#endif
		fi
	:: atomic { !(released && !moved && !taken) -> skip }
	fi;
	give_lock(2);
	done++
}

init {
	atomic {
		has_thread[1] = true; has_thread[2] = true;
		tag[0] = 1; covers[0] = OLD;
#ifndef SINGLE
		tag[1] = 1; covers[1] = OLD;
#endif
		run Owner(); run Free(1); run Free(2); run Needs(); run Free_new()
	}
	(done == 5) ->
	assert(!lock[1] && !lock[2]);
	assert(held == 0 && avail == ALL);
	/* found: whoever looks next sees all of it */
	assert(released || counted == avail || (flag[0] && tag[0] != 0 && ((inbox[tag[0]] | waiting[tag[0]]) & 1)));
	assert(!new_open || new_released || new_counted == new_avail ||
	    (flag[new_at] && tag[new_at] == new_heap && ((inbox[new_heap] | waiting[new_heap]) & (1 << new_at))));
	/* nothing in an inbox that does not begin there, or is of another heap */
	assert(!((inbox[1] | waiting[1]) & 1) || (covers[0] == OLD && tag[0] == 1 && flag[0]));
	assert(!((inbox[1] | waiting[1]) & 2));
	assert(!((inbox[1] | waiting[1]) & 4) || (covers[BEFORE] == OTHER && tag[BEFORE] == 1 && flag[BEFORE]));
	assert(!((inbox[2] | waiting[2]) & 1) || (covers[0] != NOTHING && BEGIN_OF(covers[0]) == 0 && tag[0] == 2 && flag[0]));
	assert(!((inbox[2] | waiting[2]) & 2) || (covers[1] == OTHER && new_at == 1 && tag[1] == 2 && flag[1]));
	assert(!((inbox[2] | waiting[2]) & 4) || (covers[BEFORE] == OTHER && tag[BEFORE] == 2 && flag[BEFORE]));
	/* no flag is up of which nobody will ever take notice */
	assert(released || !flag[0] || ((inbox[tag[0]] | waiting[tag[0]]) & 1));
	assert(!new_both || !flag[0] || ((inbox[2] | waiting[2]) & 1));
	assert(!new_open || new_released || !flag[new_at] || ((inbox[new_heap] | waiting[new_heap]) & (1 << new_at)));
	/* and nothing waits for ever in a heap that nobody looks into, unless somebody holds what is left */
	assert(!(counted == ALL && !flag[0] && !released));
	assert(!((inbox[1] | waiting[1]) != 0 && !has_thread[1]));
	assert((inbox[1] & waiting[1]) == 0 && (inbox[2] & waiting[2]) == 0);
	/* the flags are up where the owner has yet to look: its own free of such a block leaves the hit path */
	assert(released || ((counted ^ avail) & 3) == 0 || flag[0]);
#ifndef SINGLE
	assert(released || ((counted ^ avail) & 4) == 0 || flag[1]);
#endif
	assert(!new_open || new_released || new_counted == new_avail || flag[new_in])
}
