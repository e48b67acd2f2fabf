// operators.cc - the 8 operators new and the 12 operators delete, and what they do without memory.
#include "dropin.h"

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>


namespace
{

constexpr std::align_val_t wide{256};
constexpr size_t limit_bytes = 400 << 20;
constexpr size_t reserve_bytes = 200 << 20; // one fits below the limit, two do not
volatile size_t too_large = PTRDIFF_MAX / 2; // volatile: the compiler must not know that it fails

void *aligned(void *p)
{
	EXPECT(p != nullptr && reinterpret_cast<uintptr_t>(p) % 256 == 0);
	memset(p, 1, 100);
	return p;
}

void *given(void *p)
{
	EXPECT(p != nullptr && reinterpret_cast<uintptr_t>(p) % 16 == 0);
	memset(p, 1, 100);
	return p;
}

template <typename F> bool throws_bad_alloc(F f)
{
	try {
		f();
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

} // namespace

TEST(each_of_the_8_news_pairs_with_each_delete_that_may_free_it)
{
	for (int i = 0; i < 300; i++) {
		::operator delete(given(::operator new(100)));
		::operator delete(given(::operator new(100)), size_t(100));
		::operator delete(given(::operator new(100, std::nothrow)), std::nothrow);
		::operator delete[](given(::operator new[](100)));
		::operator delete[](given(::operator new[](100)), size_t(100));
		::operator delete[](given(::operator new[](100, std::nothrow)), std::nothrow);
		::operator delete(aligned(::operator new(100, wide)), wide);
		::operator delete(aligned(::operator new(100, wide)), size_t(100), wide);
		::operator delete(aligned(::operator new(100, wide, std::nothrow)), wide,
		    std::nothrow);
		::operator delete[](aligned(::operator new[](100, wide)), wide);
		::operator delete[](aligned(::operator new[](100, wide)), size_t(100), wide);
		::operator delete[](aligned(::operator new[](100, wide, std::nothrow)), wide,
		    std::nothrow);
	}
}

TEST(new_of_nothing_is_unique_and_never_null)
{
	void *const a = ::operator new(0), *const b = ::operator new(0);
	void *const c = ::operator new(0, wide), *const d = ::operator new(0, std::nothrow);
	EXPECT(a != nullptr && b != nullptr && a != b && c != nullptr && d != nullptr);
	::operator delete(a);
	::operator delete(b);
	::operator delete(c, wide);
	::operator delete(d);
	::operator delete(nullptr);
	::operator delete(nullptr, wide);
	::operator delete[](nullptr, size_t(8));
}

TEST(without_memory_new_throws_bad_alloc)
{
	EXPECT(throws_bad_alloc([] { ::operator delete(::operator new(too_large)); }));
	EXPECT(throws_bad_alloc([] { ::operator delete[](::operator new[](too_large)); }));
	EXPECT(throws_bad_alloc([] { ::operator delete(::operator new(too_large, wide), wide); }));
	EXPECT(throws_bad_alloc([] { ::operator delete[](::operator new[](too_large, wide), wide);
	    }));
	EXPECT(throws_bad_alloc([] { std::vector<char> v(too_large); }));
}

TEST(without_memory_nothrow_new_returns_null)
{
	EXPECT(::operator new(too_large, std::nothrow) == nullptr);
	EXPECT(::operator new[](too_large, std::nothrow) == nullptr);
	EXPECT(::operator new(too_large, wide, std::nothrow) == nullptr);
	EXPECT(::operator new[](too_large, wide, std::nothrow) == nullptr);
}

static int handled;

TEST(the_new_handler_is_called_until_it_gives_up)
{
	std::set_new_handler([] {
		if (++handled % 5 == 0)
			std::set_new_handler(nullptr);
	});
	EXPECT(throws_bad_alloc([] { ::operator delete(::operator new(too_large)); }));
	EXPECT(handled == 5);
}

// The handler frees a reserve, as handlers do.
static void *reserve;

TEST(the_new_handler_can_find_memory)
{
	if (!(traits & DMM_FREES))
		return;
	limit_memory(limit_bytes);
	reserve = malloc(reserve_bytes);
	EXPECT(reserve != nullptr);
	std::set_new_handler([] {
		free(reserve);
		reserve = nullptr;
		std::set_new_handler(nullptr);
	});
	void *const p = ::operator new(reserve_bytes);
	EXPECT(p != nullptr && reserve == nullptr);
	::operator delete(p);
}

TEST(what_a_handler_throws_goes_through_new)
{
	std::set_new_handler([] { throw 42; });
	int caught = 0;
	try {
		::operator delete(::operator new(too_large));
	} catch (int thrown) {
		caught = thrown;
	}
	EXPECT(caught == 42);
}

TEST(what_a_handler_throws_nothrow_new_turns_into_null)
{
	std::set_new_handler([] { throw std::bad_alloc(); });
	EXPECT(::operator new(too_large, std::nothrow) == nullptr);
	EXPECT(::operator new[](too_large, wide, std::nothrow) == nullptr);
}

namespace
{
struct alignas(512) Wide {
	char bytes[700];
};

struct Holder {
	std::vector<std::string> words;
	Holder() : words(50, "a word that is too long for the string's own buffer") {}
	~Holder()
	{
		words.push_back("and one more while the thread goes");
	}
};

thread_local Holder holder;
} // namespace

TEST(over_aligned_types_and_thread_local_objects_live_and_die)
{
	std::vector<std::unique_ptr<Wide>> all;
	for (int i = 0; i < 100; i++) {
		all.emplace_back(new Wide);
		EXPECT(reinterpret_cast<uintptr_t>(all.back().get()) % 512 == 0);
	}
	for (int round = 0; round < 50; round++) {
		std::thread first([] { EXPECT(holder.words.size() == 50); });
		std::thread second([] { EXPECT(holder.words.size() == 50); });
		first.join();
		second.join();
	}
}
