// user.cc - a program of somebody else: is its malloc the library that it was linked with?
//
//   user shared|static      exit status 0: it is
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <string>

extern "C" const char dmm_slab_root[]; // what every program on slab has

static bool mapped(const char *name)
{
	FILE *const f = fopen("/proc/self/maps", "r");
	bool found = false;
	char line[4096];

	while (f != nullptr && fgets(line, sizeof line, f) != nullptr)
		found = found || strstr(line, name) != nullptr;
	if (f != nullptr)
		fclose(f);
	return found;
}

int main(int argc, char **argv)
{
	const bool shared = argc > 1 && strcmp(argv[1], "shared") == 0;
	auto text = std::make_unique<std::string>(1000, 'x');
	void *const p = malloc(100);
	const char *volatile root = dmm_slab_root; // the linker finds it

	free(p);
	if (p == nullptr || text->size() != 1000 || root == nullptr)
		return 1;
	return mapped("/libdmm.so.0") == shared ? 0 : 2;
}
