/* remote.pml - slab's protocol for frees across threads, ends of threads, and heaps without a thread.
 *
 *   spin -a remote.pml && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan
 *
 * One slab of three blocks; its owner, who frees one and ends; two who free the others; and one who needs a
 * slab, and takes this one over if its heap has no thread.  What the model says step by step, src/slab says with:
 *
 *   avail[s]     bits that anybody may set               avail_word(), atomic_fetch_or
 *   tagged[s]    the heap, 0: none                        root.tags[granule], its heap
 *   flag[s]      others have freed                        TAG_REMOTE in the same word
 *   inbox[h]     is the slab in it?                       heap.inbox, a list
 *   counted[s]   avail as the owner has counted it        slab.avail
 *
 * A tag and its flag change together (one word), so they change in one atomic block here.
 * Checked: assertions on the way, and at the end, when all have ended, that every free block is found:
 * counted, or flagged and in the inbox of the slab's heap; and that a slab that is all free was released.
 *
 * -DBUG=n plants a fault (test/spin/run): 1 the owner looks before it takes the flag down, 2 the flag before
 * the bit, 3 release without a look at the flag, 4 a moving slab is looked at before it has its new tag,
 * 5 the inbox is emptied in two steps, 6 inheriting from a heap that has a thread.
 */
#ifndef BUG
#define BUG 0
#endif
#define BLOCKS 3
#define ALL    7

byte avail;          /* bits of the three blocks */
byte counted;        /* of them, as the owner knows */
byte held = ALL;     /* blocks that the program has */
byte tagged = 1;     /* heap 1 or 2; 0: between two, or released */
bool flag;
bool inbox[3];       /* is the slab in the inbox of heap h? */
bool lock[3];        /* heap h's */
bool has_thread[3];
bool released;
byte done;

inline take_lock(h) { atomic { !lock[h] -> lock[h] = true } }
inline give_lock(h) { lock[h] = false }

/* All is free: back to the page heap, unless the flag is up (one compare-and-exchange). */
inline settle(h)
{
	if
	:: counted == ALL && !released ->
#if BUG == 3
		atomic { tagged = 0; released = true }
#else
		atomic {
			if
			:: tagged == h && !flag -> tagged = 0; released = true
			:: else
			fi
		}
#endif
	:: else
	fi
}

inline drain(h)
{
	bool got;
#if BUG == 5
	got = inbox[h];
	inbox[h] = false;
#else
	atomic { got = inbox[h]; inbox[h] = false }
#endif
	if
	:: got ->
#if BUG == 1
		counted = avail;
		atomic { flag = false }
#else
		atomic { flag = false }
		counted = avail;
#endif
		settle(h)
	:: else
	fi
}

/* remote_free() */
inline remote_free(b)
{
	byte h;
	bool up;
#if BUG == 2
	atomic { up = flag; h = tagged; flag = true }
	avail = avail | (1 << b);
#else
	atomic { assert((avail & (1 << b)) == 0); avail = avail | (1 << b) }
	atomic { up = flag; h = tagged; flag = true }
#endif
	if
	:: !up && h != 0 ->
		atomic { assert(!inbox[h]); inbox[h] = true }
		/* settle_for(): nobody will look there but us */
		if
		:: !has_thread[h] ->
			bool mine = false;
			atomic { if :: !lock[h] -> lock[h] = true; mine = true :: else fi }
			if
			:: mine ->
				if
				:: !has_thread[h] -> drain(h)
				:: else
				fi;
				give_lock(h)
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

/* The owner: looks around, frees one of its own, looks around, and ends, leaving heap 1 without a thread. */
proctype Owner()
{
	take_lock(1); /* cache_look_around() */
	drain(1);
	give_lock(1);
	held = held & ~1;
	take_lock(1);
	assert(tagged == 1); /* what is ours stays ours while we live */
	atomic { avail = avail | 1 }
	counted = counted | 1;
	settle(1);
	give_lock(1);
	/* heap_abandon() */
	take_lock(1);
	has_thread[1] = false;
	drain(1);
	give_lock(1);
	done++
}

proctype Free(byte b)
{
	held = held & ~(1 << b);
	remote_free(b);
	done++
}

/* Needs a slab, and may find one in heap 1 (heap_inherit, move_slab), of which it takes no block. */
proctype Needs()
{
	bool got = false;
	take_lock(2);
	atomic { if :: !lock[1] -> lock[1] = true; got = true :: else fi }
	if
#if BUG == 6
	:: got && counted != 0 && !released ->
#else
	:: got && !has_thread[1] && counted != 0 && !released ->
#endif
		bool moved = false;
#if BUG == 4
		atomic { if :: tagged == 1 && !flag -> tagged = 0; moved = true :: else fi }
#else
		atomic { if :: tagged == 1 && !flag -> tagged = 2; moved = true :: else fi }
#endif
		if
		:: moved ->
			counted = avail;
#if BUG == 4
			atomic { tagged = 2; flag = false }
#endif
			settle(2)
		:: else
		fi
	:: else
	fi;
	if
	:: got -> give_lock(1)
	:: else
	fi;
	give_lock(2);
	done++
}

init {
	atomic {
		has_thread[1] = true; has_thread[2] = true;
		run Owner(); run Free(1); run Free(2); run Needs()
	}
	(done == 4) ->
	assert(!lock[1] && !lock[2]);
	assert(held == 0 && avail == ALL);
	/* found: whoever looks next sees all of it */
	assert(released || counted == avail || (flag && tagged != 0 && inbox[tagged]));
	assert(!released || avail == ALL);
	assert(!inbox[1] || (tagged == 1 && flag));
	assert(!inbox[2] || (tagged == 2 && flag));
	/* and nothing waits for ever in a heap that nobody looks into, unless somebody holds what is left */
	assert(!(counted == ALL && !flag && !released))
}
