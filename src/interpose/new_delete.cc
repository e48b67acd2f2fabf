// new_delete.cc - operator new that found no memory: call the new handler, and throw.
//
// Only what must be C++ is here; the operators themselves are in names.h, where a hit is inlined.
// The library is loaded into C programs too, so it must not need libstdc++: each of its symbols is
// weak.  It is there when somebody calls operator new, with one exception: a C program that loads a
// C++ library by dlopen(RTLD_LOCAL) keeps it out of our scope.  Then we look for it by its name.
#include <dlfcn.h>
#include <new>

extern "C" {
#include "base/crash.h"
#include "interpose/interpose.h"
}

namespace std
{
__attribute__((weak)) new_handler get_new_handler() noexcept;
[[noreturn]] __attribute__((weak)) void __throw_bad_alloc();
} // namespace std

// What the compiler itself refers to for a `catch`.
__asm__(".weak __gxx_personality_v0\n"
        ".weak __cxa_begin_catch\n"
        ".weak __cxa_end_catch\n"
        ".weak _Unwind_Resume\n");

namespace
{

// A function of the libstdc++ in this process, in our scope or not; NULL: there is none.
template <typename F> F *of_libstdcxx(F *weak, const char *name)
{
	if (weak != nullptr)
		return weak;
	void *const library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
	return library != nullptr ? reinterpret_cast<F *>(dlsym(library, name)) : nullptr;
}

// NULL: no handler is left that could find memory.  What a handler throws goes through.
void *try_handlers(size_t n, size_t align, enum origin origin)
{
	auto *const get_handler =
	    of_libstdcxx(&std::get_new_handler, "_ZSt15get_new_handlerv");

	for (;;) {
		if (void *const p = interpose_new(align, n != 0 ? n : 1, origin))
			return p;
		const std::new_handler handler = get_handler != nullptr ? get_handler() : nullptr;
		if (handler == nullptr)
			return nullptr;
		handler();
	}
}

} // namespace

extern "C" void *new_again(size_t n, size_t align, enum origin origin)
{
	if (void *const p = try_handlers(n, align, origin))
		return p;
	if (auto *const throw_bad_alloc =
	        of_libstdcxx(&std::__throw_bad_alloc, "_ZSt17__throw_bad_allocv"))
		throw_bad_alloc();
	crash("operator new: no memory for %u bytes, and no libstdc++ to throw std::bad_alloc", n);
}

extern "C" void *new_again_nothrow(size_t n, size_t align, enum origin origin)
{
	try {
		return try_handlers(n, align, origin);
	} catch (...) {
		return nullptr;
	}
}
