// plugin.cc - a C++ library that a C program loads: static constructors allocate, and it throws.
#include <map>
#include <new>
#include <string>
#include <vector>

static std::map<int, std::string> words = [] {
	std::map<int, std::string> made;
	for (int i = 0; i < 1000; i++)
		made[i] = std::string(static_cast<size_t>(i % 100), 'w');
	return made;
}();

extern "C" int plugin_words();
extern "C" int plugin_catches_bad_alloc();

int plugin_words()
{
	std::vector<std::string> copy;
	for (const auto &word : words)
		copy.push_back(word.second);
	return static_cast<int>(copy.size());
}

int plugin_catches_bad_alloc()
{
	volatile size_t huge = PTRDIFF_MAX / 2; // neither folded nor paired away by the compiler
	try {
		::operator delete(::operator new(huge));
	} catch (const std::bad_alloc &) {
		return 1;
	}
	return 0;
}
