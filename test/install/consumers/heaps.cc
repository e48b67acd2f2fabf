// heaps.cc - a C++ program of somebody else with heaps of its own: std::pmr and an allocator.
#include <cstdint>
#include <dmm.hpp>
#include <list>
#include <map>
#include <string>
#include <vector>

static std::size_t live(const dmm::heap &h)
{
	dmm_heap_usage stats;

	dmm_heap_stats(h.get(), &stats);
	return stats.live_objects;
}

static bool pmr()
{
	dmm::heap h;
	{
		std::pmr::map<int, std::pmr::string> m(&h);
		for (int i = 0; i < 1000; i++)
			m.emplace(i, "a string that is too long to lie inside of its object");
		if (live(h) != 2000)
			return false;
	}
	return live(h) == 0;
}

static bool limited()
{
	dmm_heap_options o{};

	o.limit_bytes = 1 << 20;
	dmm::heap h(o);
	try {
		std::pmr::vector<char> v(2 << 20, 'x', &h);
		return false;
	} catch (const std::bad_alloc &) {
	}
	return std::vector<char>(2 << 20, 'x').size() == 2 << 20;
}

struct alignas(64) line {
	char bytes[64];
};

static bool with_allocator()
{
	dmm::heap a, b;
	std::vector<line, dmm::allocator<line>> v(a);
	std::list<int, dmm::allocator<int>> l(3, 7, b), moved(a);

	v.resize(100);
	if (reinterpret_cast<std::uintptr_t>(v.data()) % 64 != 0 || live(a) == 0 || live(b) != 3)
		return false;
	moved = std::move(l); // takes the heap along
	auto copy = v;
	return moved.get_allocator() == dmm::allocator<int>(b) &&
	       copy.get_allocator() == v.get_allocator();
}

static bool refused()
{
	dmm_heap_options o{};

	o.design = "slab";
	try {
		dmm::heap h(o);
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

int main()
{
	return !pmr() * 1 + !limited() * 2 + !with_allocator() * 4 + !refused() * 8;
}
