// sized.cc - deletes and frees that name a size which is not the object's: `sized WHICH`.
//
// Each is undefined, each runs well with every malloc that ignores sizes, and each program that
// does it has run for years.  The object must be gone afterwards: 1,000 times 64 KB fit into no
// small heap.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <new>
#include <thread>

namespace
{

struct B {
	int b = 1;
};
struct D : B {
	char more[1000] = {};
};
struct alignas(64) Wide {
	char c[640] = {};
};

enum { ROUNDS = 1000 };

__attribute__((noinline)) B *made()
{
	return new D;
}

void delete_a_base()
{
	for (int i = 0; i < ROUNDS; i++) {
		B *volatile p = made();
		delete p; // no virtual destructor: the size is that of B
	}
}

void delete_an_array()
{
	for (int i = 0; i < ROUNDS; i++) {
		long *volatile p = new long[8000];
		delete p; // without []: the size is that of one long
	}
}

using free_sized_type = void(void *, size_t);
using free_aligned_type = void(void *, size_t, size_t);

template <typename F> F *function(const char *name)
{
	return reinterpret_cast<F *>(dlsym(RTLD_DEFAULT, name));
}

void free_with_sizes()
{
	auto *const free_sized = function<free_sized_type>("free_sized");
	auto *const free_aligned = function<free_aligned_type>("free_aligned_sized");
	static const size_t said[] = {1, 100, 5000, 40000, 1 << 20};

	for (int i = 0; free_sized != nullptr && i < ROUNDS; i++) {
		free_sized(malloc(64000), said[i % 5]);
		free_sized(malloc(300), said[i % 5]);
		free_aligned(aligned_alloc(64, 6400), 64, said[i % 5]);
		free_aligned(malloc(200), 4096, 200); // as good as never aligned so
	}
}

void delete_with_another_alignment()
{
	for (int i = 0; i < ROUNDS; i++)
		::operator delete(::operator new(sizeof(Wide) + 40000), sizeof(Wide),
		    std::align_val_t(1 << 16));
}

void of_another_thread()
{
	B *all[ROUNDS];
	std::thread([&] {
		for (B *&one : all)
			one = made();
	}).join();
	for (B *volatile one : all)
		delete one;
}

void correct()
{
	for (int i = 0; i < ROUNDS; i++) {
		delete static_cast<D *>(made());
		delete[] new long[8000];
		delete new Wide;
	}
}

const struct {
	const char *name;
	void (*run)();
} cases[] = {{"base", delete_a_base}, {"array", delete_an_array}, {"free", free_with_sizes},
    {"alignment", delete_with_another_alignment}, {"thread", of_another_thread},
        {"correct", correct}};

} // namespace

int main(int argc, char **argv)
{
	for (const auto &one : cases) {
		if (argc < 2 || strcmp(argv[1], one.name) != 0)
			continue;
		one.run(); // what the first run leaves behind is no leak
		const size_t before = mallinfo2().uordblks;
		one.run();
		const size_t after = mallinfo2().uordblks;
		if (after > before + 300000) {
			fprintf(stderr, "sized: %zu bytes are still live\n", after - before);
			return 1;
		}
		puts("done");
		return 0;
	}
	return 2;
}
