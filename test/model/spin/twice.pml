/* twice.pml - two threads free one object at the same moment: is it given out twice, and does the
 * program end with a message?
 *
 *   spin -DOWNER -a twice.pml && cc -O1 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m200000
 *
 * A slab of two objects.  Object 0 is live, and two threads free it:
 *
 *   -DOWNER    the thread that owns the slab, and another
 *   -DASLEEP   two others, while the owner does one of the four things below, once
 *   -DORPHAN   two others, after the owner has ended
 *
 * The owner also refills its stack, empties it, drains its inbox, and ends.  A third thread does
 * what the purger does, reclaims the slab when its heap has no thread, and opens a slab of the same
 * class where this one was closed.  Object 1 is live for ever, in the owner's stack, or in avail.
 * When all threads have ended, the threads of both heaps allocate all objects that they can get.
 * Checked:
 *
 *   T1 once    no object is given out that was not freed since it was given out last
 *   T2 named   the program ended with a message, at the latest now
 *
 * What the model says step by step, src/slab says with:
 *
 *   live, mark, avail   live_word(), mark_word(), avail_word(): one word each, for both objects
 *   pending             -DDELAYED: x86's store buffer, the owner's store of live that other threads
 *                       do not see yet; an atomic instruction and a lock that is given empty it
 *   tag, flag           root.tags of the slab's granule; TAG_CLOSED is tag 0 with the flag
 *   stack               which objects a thread's magazine of the class holds, in any order
 *   NAME                slab_misuse(): the program ends
 *
 * Excluded, as docs/evidence/misuse.md says: no thread allocates object 0 before both calls of free
 * have returned; and no slab is opened where this one was closed while the owner stood inside its
 * free.  -DSTOPPED lets the second happen, and Spin then shows how an object is given out twice.
 *
 * -DBUG=n plants a fault (test/model/spin/run): 1 a thread does not look whether the object that it
 * marked is still live, 2 the owner collects marks without a look at live, 3 malloc takes from
 * the stack without a look at the flag, 4 a refill takes from avail without a look at live, 5 the
 * second mark is not noticed, 6 a closed slab is not flagged, 7 a flagged slab is closed without a
 * last look at the marks, 8 objects go back to a slab without a look whose it is, 9 a thread that
 * collects for the owner takes live bits off in two steps.
 */
#ifndef BUG
#define BUG 0
#endif
#ifdef DELAYED
#define DELAY 1
#else
#define DELAY 0
#endif
#ifdef STOPPED
#define STOPPED_TOO 1
#else
#define STOPPED_TOO 0
#endif
/* What the owner does besides: one thing where two others free, or there are too many states. */
#ifdef ASLEEP
#define OWNER_STEPS 1
#else
#define OWNER_STEPS 2
#endif
#define ALL 3
#define BIT(b) (1 << (b))
#define HAS(word, b) (((word) >> (b)) & 1)
/* mark_bits(): looked at only where the flag is up */
#define MARKS (flag -> mark : 0)
#define NAME atomic { named = true; false }

byte live, mark, avail, pending, tag, given;
bool is_pending, flag;
byte stack[3];
bool inbox[3], lock[3], has_thread[3];
bool named, owner_inside, closed_inside, may_open, other_began;
byte done;

inline see() { if :: me == 1 && is_pending -> live = pending; is_pending = false :: else fi }
inline take_lock(h) { atomic { !lock[h] -> lock[h] = true; see() } }
inline give_lock(h) { atomic { see(); lock[h] = false } }
inline load_live() { l = ((me == 1 && is_pending) -> pending : live) }
inline store_live(what)
{
	atomic {
		if
		:: DELAY && me == 1 -> see(); pending = what; is_pending = true
		:: else -> live = what
		fi
	}
}

/* A function's variables are forgotten at its end: fewer states. */
#define LOCALS byte m, l, t, b, x; bool got, up, clear
inline forget() { atomic { m = 0; l = 0; t = 0; got = false; up = false; clear = false } }

/* Another thread collects marks of the slab, or closes it, while the owner stands inside its
 * free. */
inline note_inside()
{
	closed_inside = (closed_inside || (me != 1 && (owner_inside || is_pending)))
}

/* heap_settle_slab(), and release() of heap_release_emptied() where the flag is up.  A heap with a
 * thread keeps a slab if it is the only one of its class. */
inline settle(h, is_up)
{
	if
	:: avail == ALL && tag == h && has_thread[h] && !is_up
	:: avail == ALL ->
		atomic {
			got = (tag == h && flag == is_up);
			if
			:: got -> tag = 0; flag = (BUG != 6); note_inside()
			:: else
			fi
		}
		if
		:: got && is_up && BUG != 7 && mark != 0 -> NAME /* slab_expect_no_marks() */
		:: got && !(is_up && BUG != 7 && mark != 0) -> /* slab_close() */
			avail = 0;
			store_live(0);
			atomic { may_open = STOPPED_TOO || !closed_inside }
		:: !got
		fi
	:: else
	fi
}

/* slab_collect(): for an owner that may be freeing this moment the live bits go in one step */
inline collect(h)
{
	m = mark;
	if
	:: m != 0 ->
		if
		:: BUG != 9 && me != h && has_thread[h] -> atomic { l = live; live = live & ~m; note_inside() }
		:: else -> atomic { load_live(); note_inside() }
		fi;
		if
		:: (m & ~l) != 0 && BUG != 2 -> NAME
		:: else
		fi;
		if
		:: BUG != 9 && me != h && has_thread[h]
		:: else -> store_live(l & ~m)
		fi;
		atomic { see(); mark = mark & ~m }
		atomic { avail = avail | m; m = 0; l = 0 }
	:: else
	fi
}

/* heap_look_at() if clear, else heap_release_emptied() */
inline look_at(h)
{
	if
	:: clear -> atomic { flag = false; see() }
	:: else
	fi;
	collect(h);
	settle(h, !clear)
}

/* The inbox of h, whose lock is held: heap_drain_inbox() by its owner or where it has none, else
 * remote_release_emptied(). */
inline look_into(h)
{
	atomic { got = inbox[h]; inbox[h] = false }
	if
	:: got ->
		if
		:: me == h || !has_thread[h] -> clear = true; look_at(h)
		:: me != h && has_thread[h] ->
			if
			:: (avail | MARKS) == ALL -> if :: clear = true :: clear = false fi; look_at(h)
			:: else -> atomic { assert(!inbox[h]); inbox[h] = true }
			fi
		fi
	:: else
	fi
}

/* remote_settle_for(), and release_for(), which a thread does at each 64th push: x says so */
inline look_after(h)
{
	do
	:: inbox[h] && (!has_thread[h] || x > 0) && !lock[h] ->
		atomic { got = !lock[h]; lock[h] = true; see(); x = 0 }
		if
		:: got -> look_into(h); give_lock(h)
		:: else
		fi
	:: else -> break
	od
}

/* free_any(), remote_free() and judge() of a thread that does not own the slab */
inline free_by_other()
{
	if
	:: tag == 0 -> NAME
	:: else
	fi;
	if
	:: !HAS(live, 0) -> NAME
	:: else
	fi;
	given = given & ~BIT(0);
	atomic { up = HAS(mark, 0); mark = mark | BIT(0) }
	if
	:: up && BUG != 5 -> NAME
	:: else
	fi;
	if
	:: !flag ->
		atomic { up = flag; t = tag; flag = true }
		if
		:: !up && t != 0 ->
			atomic { assert(!inbox[t]); inbox[t] = true }
			if :: x = 0 :: x = 1 fi;
			look_after(t)
		:: else
		fi
	:: else
	fi;
	if
	:: BUG != 1 && !HAS(live, 0) ->
		do
		:: HAS(mark, 0) && !HAS(live, 0) ->
			t = tag;
			take_lock(t);
			if
			:: t == tag && HAS(mark, 0) && !HAS(live, 0) -> NAME
			:: else
			fi;
			give_lock(t);
			/* A thread that found the lock taken left its inbox to this one. */
			x = 0;
			if
			:: t != 0 -> look_after(t)
			:: else
			fi
		:: else -> break
		od
	:: else
	fi;
	forget()
}

/* free_hit(); where the flag is up, free_any() and free_own() */
inline free_by_owner()
{
	atomic { owner_inside = true; t = tag; up = flag }
	if
	:: t != 1 -> NAME
	:: else
	fi;
	load_live();
	if
	:: !HAS(l, 0) || (up && HAS(MARKS, 0)) -> NAME
	:: else
	fi;
	given = given & ~BIT(0);
	store_live(l & ~BIT(0));
	atomic { stack[1] = stack[1] | BIT(0); owner_inside = false }
}

/* heap_put_back() of the whole stack; the lock is held */
inline put_back(h)
{
	if
	:: stack[h] != 0 ->
		if
		:: BUG != 8 && tag != h -> NAME
		:: (avail & stack[h]) != 0 && (BUG == 8 || tag == h) -> NAME
		:: else
		fi;
		atomic { avail = avail | stack[h]; stack[h] = 0 }
		settle(h, false)
	:: else
	fi
}

/* heap_take_objects(): all that is in avail; the lock is held */
inline refill(h)
{
	if
	:: tag == h && avail != 0 && stack[h] == 0 ->
		load_live();
		if
		:: BUG != 4 && (avail & (l | MARKS)) != 0 -> NAME
		:: else
		fi;
		atomic { stack[h] = stack[h] | avail; avail = 0; l = 0 }
	:: else
	fi
}

proctype Owner()
{
	LOCALS;
	byte me = 1;
	{
#ifdef OWNER
		free_by_owner();
#endif
		do
		:: true -> break
		:: x < OWNER_STEPS ->
			take_lock(1);
			if
			:: skip; look_into(1)
			:: skip; refill(1)
			:: skip; put_back(1)
			:: stack[1] == 0 && has_thread[1] -> has_thread[1] = false; look_into(1)
			fi;
			give_lock(1);
			atomic { x = (has_thread[1] -> x + 1 : 3) }
		od;
		if
		:: x == 3 -> x = 0; me = 0; look_after(1)
		:: else
		fi;
		atomic { if :: is_pending -> live = pending; is_pending = false :: else fi; forget(); done++ }
	} unless { named }
}

/* Two of them are alike, so the second begins after the first: the other way round is the same. */
proctype Other(bool second)
{
	LOCALS;
	byte me = 0;
	{
		if
		:: second -> other_began
		:: !second -> other_began = true
		fi;
		free_by_other();
		done++
	} unless { named }
}

/* The purger, and a thread with heap 2 that needs a slab. */
proctype Third()
{
	LOCALS;
	byte me = 2;
	{
		if
		:: true
		:: inbox[1] -> take_lock(1); look_into(1); give_lock(1)
		:: avail == ALL -> take_lock(1); settle(1, false); give_lock(1)
		fi;
		x = 0;
		look_after(1);
		forget();
		take_lock(2);
		if
		:: true
		:: !has_thread[1] && avail != 0 -> /* reclaim_from(), move_slab() */
			take_lock(1);
			if
			:: !has_thread[1] && avail != 0 ->
				atomic { got = (tag == 1 && !flag); if :: got -> tag = 2 :: else fi }
				if
				:: got -> collect(1); settle(2, false)
				:: else
				fi
			:: else
			fi;
			give_lock(1);
			look_after(1)
		:: may_open -> /* slab_open(), slab_tag() */
			avail = ALL;
			atomic { may_open = false; tag = 2; flag = false }
		fi;
		if
		:: skip; refill(2)
		:: true
		fi;
		give_lock(2);
		forget();
		done++
	} unless { named }
}

/* The store buffer is emptied at some time. */
proctype Memory()
{
	byte me = 1;
	{
		do
		:: is_pending -> atomic { see() }
		:: done >= 3 -> break
		od
	} unless { named }
}

/* The threads of both heaps, one after the other, take all that they can get. */
proctype Takers()
{
	LOCALS;
	byte me;
	{
		if :: me = 1 :: me = 2 fi;
		do
		:: x == 2 -> break
		:: x < 2 ->
			has_thread[me] = true;
			do
			:: stack[me] != 0 -> /* magazine_pop(), cache_pop() */
				if
				:: HAS(stack[me], 0) -> b = 0
				:: HAS(stack[me], 1) -> b = 1
				fi;
				if
				:: BUG != 3 && flag && (tag == 0 || HAS(mark, b)) -> NAME
				:: else
				fi;
				atomic { stack[me] = stack[me] & ~BIT(b); assert(!HAS(given, b)) } /* T1 once */
				atomic { given = given | BIT(b); live = live | BIT(b) }
			:: stack[me] == 0 && tag == me && avail != 0 -> refill(me)
			:: stack[me] == 0 && !(tag == me && avail != 0) && inbox[me] -> look_into(me)
			:: else -> break
			od;
			atomic { x++; me = 3 - me }
		od;
		done++
	} unless { named }
}

init {
	atomic {
		has_thread[1] = true; has_thread[2] = true;
		tag = 1; live = BIT(0); given = BIT(0);
		if
		:: live = live | BIT(1); given = given | BIT(1)
		:: avail = BIT(1)
#ifndef ORPHAN
		:: stack[1] = BIT(1)
#endif
		fi;
#ifdef ORPHAN
		has_thread[1] = false;
#else
		run Owner();
#endif
#ifndef OWNER
		run Other(true);
#endif
		run Other(false); run Third(); run Memory()
	}
#ifdef ASLEEP
#define THREADS 4
#else
#define THREADS 3
#endif
	(named || done == THREADS);
	if
	:: !named ->
		assert(!is_pending && !lock[0] && !lock[1] && !lock[2]);
		run Takers();
		(named || done == THREADS + 1)
	:: else
	fi;
	assert(named) /* T2 named */
}
