/* dmm.hpp - C++ over dmm.h: a heap as a std::pmr::memory_resource, and an allocator that has a
 * heap.
 *
 *     dmm::heap h({.limit_bytes = 64 << 20});           // C++20; before: dmm_heap_options o{}; ...
 *     std::pmr::vector<int> v(&h);                      // any container of std::pmr
 *     std::vector<int, dmm::allocator<int>> w(h);       // any container, without a virtual call
 *
 * A heap must outlive its containers; what they left in it goes with the heap, at once.  Failures
 * throw std::bad_alloc.  Threads: as dmm.h says.  C++17.
 */
#ifndef DMM_HPP
#define DMM_HPP

#include <cstddef>
#include <memory_resource>
#include <new>
#include <type_traits>

#include "dmm.h"

namespace dmm
{

class heap final : public std::pmr::memory_resource
{
      public:
	/* Throws std::bad_alloc if there is no such heap: dmm_heap_create() tells why. */
	explicit heap(const dmm_heap_options &options = dmm_heap_options())
	    : h(dmm_heap_create(&options))
	{
		if (h == nullptr)
			throw std::bad_alloc();
	}
	~heap() override
	{
		dmm_heap_destroy(h);
	}
	heap(const heap &) = delete;
	heap &operator=(const heap &) = delete;

	dmm_heap *get() const noexcept
	{
		return h;
	}

      private:
	void *do_allocate(std::size_t bytes, std::size_t align) override
	{
		void *const p = dmm_heap_aligned(h, align, bytes != 0 ? bytes : 1);
		if (p == nullptr)
			throw std::bad_alloc();
		return p;
	}
	void do_deallocate(void *p, std::size_t, std::size_t) override
	{
		dmm_heap_free(h, p);
	}
	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
		return this == &other;
	}

	dmm_heap *h;
};

/* Two are equal if they have the same heap.  It moves and swaps with its container, and is not
 * copied with it: a copy of a container is in the heap of the container that it is assigned to. */
template <typename T> class allocator
{
      public:
	using value_type = T;
	using propagate_on_container_move_assignment = std::true_type;
	using propagate_on_container_swap = std::true_type;

	allocator(const heap &of) noexcept : h(of.get())
	{
	}
	explicit allocator(dmm_heap *of) noexcept : h(of)
	{
	}
	template <typename U> allocator(const allocator<U> &other) noexcept : h(other.get())
	{
	}

	T *allocate(std::size_t count)
	{
		void *const p =
		    count <= static_cast<std::size_t>(-1) / 2 / sizeof(T)
		        ? dmm_heap_aligned(h, alignof(T), count != 0 ? count * sizeof(T) : 1)
		        : nullptr;
		if (p == nullptr)
			throw std::bad_alloc();
		return static_cast<T *>(p);
	}
	void deallocate(T *p, std::size_t) noexcept
	{
		dmm_heap_free(h, p);
	}
	dmm_heap *get() const noexcept
	{
		return h;
	}

      private:
	dmm_heap *h;
};

template <typename T, typename U>
bool operator==(const allocator<T> &a, const allocator<U> &b) noexcept
{
	return a.get() == b.get();
}

template <typename T, typename U>
bool operator!=(const allocator<T> &a, const allocator<U> &b) noexcept
{
	return a.get() != b.get();
}

} // namespace dmm
#endif
