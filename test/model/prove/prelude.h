/* prelude.h - what stands before the functions that tools/prove takes from the sources.
 * Pointer arithmetic is written as C's own here: WP knows nothing of addresses made from
 * integers. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ALIGN 16
#define unlikely(x) (x)
#define CHECK(cond) do { if (!(cond)) broken(); } while (0)

/*@ requires never: \false; assigns \nothing; */
void broken(void); /* a CHECK that may fail is an obligation that cannot be proved */

/*@ inductive linked{L}(struct header *p) {
      case end{L}: linked{L}((struct header *)\null);
      case more{L}: \forall struct header *p;
        \valid{L}(p) ==> linked{L}(\at(p->next, L)) ==> linked{L}(p);
    } */
/*@ assigns \result \from p, n; ensures \result == (void *)((char *)p + n); */
static inline void *ptr_add(const void *p, size_t n) { return (char *)p + n; }
/*@ assigns \result \from p, n; ensures \result == (void *)((char *)p - n); */
static inline void *ptr_sub(const void *p, size_t n) { return (char *)p - n; }
/*@ requires (size_t)from <= (size_t)to; assigns \nothing;
    ensures \result == (size_t)to - (size_t)from; */
static inline size_t ptr_diff(const void *to, const void *from)
{
	return (size_t)to - (size_t)from;
}
