// copies.cc - a C++ program: what fits goes through, std::copy past the end of a vector does not.
//
//   LD_PRELOAD=libdmm-hardened.so copies_cc          dies of SIGABRT
//   LD_PRELOAD=libdmm-hardened.so copies_cc fits     succeeds
#include <algorithm>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

static bool fits()
{
	std::map<std::string, std::vector<char>> all;
	std::ostringstream text;

	for (int i = 0; i < 2000; i++) {
		std::string s(static_cast<size_t>(i % 300), 'x');
		s += std::to_string(i);
		all[s].assign(s.begin(), s.end());
		all[s].insert(all[s].end(), s.begin(), s.end());
		text << s << ' ';
	}
	return all.size() == 2000 && text.str().size() > 2000;
}

int main(int argc, char **argv)
{
	const bool good = fits();
	if (argc > 1 && std::strcmp(argv[1], "fits") == 0)
		return good ? 0 : 1;
	const std::vector<char> from(static_cast<size_t>(argc) * 108);
	std::vector<char> to(static_cast<size_t>(argc) * 100);
	std::copy(from.begin(), from.end(), to.begin());
	return 0;
}
