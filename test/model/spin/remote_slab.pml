/* remote_slab.pml - part of remote.pml: how a heap looks at a slab of its own, and releases it.  Heap h's lock
 * is held. */

/* The first granule's tag was taken away. */
inline close_old()
{
#ifdef SINGLE
	atomic { covers[0] = NOTHING; released = true }
#else
	atomic { tag[1] = 0; flag[1] = false; covers[0] = NOTHING; covers[1] = NOTHING; released = true }
#endif
}

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
			close_old()
		:: else
		fi
	:: else
	fi
}

inline close_new()
{
	atomic {
		if
		:: new_at == BEFORE -> tag[0] = 0; flag[0] = false; covers[0] = NOTHING
		:: else
		fi;
		covers[new_at] = NOTHING;
		new_released = true
	}
}

inline settle_new(h)
{
	if
	:: new_counted && !new_released ->
		atomic {
			if
			:: tag[new_at] == h && !flag[new_at] -> tag[new_at] = 0; gone = true
			:: else -> gone = false
			fi
		}
		if
		:: gone -> close_new()
		:: else
		fi
	:: else
	fi
}

/* heap_look_at() at the slab that begins at granule g: the flags down, then the look, a word after another */
inline look_at(h, g)
{
	if
	:: covers[g] == OTHER ->
		assert(g == new_at && tag[g] == h);
		atomic { flag[g] = false }
		if
		:: g == BEFORE -> atomic { flag[0] = false }
		:: else
		fi;
		new_counted = new_avail;
		settle_new(h)
	:: covers[g] == BOTH -> assert(g == 0 && tag[0] == h); atomic { flag[0] = false }
	:: else ->
		assert(g == 0 && covers[0] == OLD && tag[0] == h);
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
