// origins.cc - what one family of functions allocated is freed by another.
//
//   DMM_CONF=... LD_PRELOAD=libdmm.so origins abort|once|silent
//
// Each pair of an allocation and a free, of five sizes, in a child: those of one family succeed
// without a word; the others end with their line (abort), say it once and go on (once), or say
// nothing (silent).
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace
{

// The compiler must not see that they belong together, nor leave out a pair of them.
void *volatile last;

enum family { MALLOC, NEW, ARRAY, FAMILIES };
const char *const names[] = {"malloc", "new", "new[]"};

struct way {
	const char *name;
	family by;
	void (*run)(size_t n);
};

constexpr std::align_val_t align{64};

const way allocations[] = {
    {"malloc", MALLOC, [](size_t n) { last = malloc(n); }},
    {"calloc", MALLOC, [](size_t n) { last = calloc(1, n); }},
    {"realloc", MALLOC, [](size_t n) { last = realloc(malloc(n / 2), n); }},
    {"aligned_alloc", MALLOC, [](size_t n) { last = aligned_alloc(64, n); }},
    {"new", NEW, [](size_t n) { last = operator new(n); }},
    {"new nothrow", NEW, [](size_t n) { last = operator new(n, std::nothrow); }},
    {"new aligned", NEW, [](size_t n) { last = operator new(n, align); }},
    {"new[]", ARRAY, [](size_t n) { last = operator new[](n); }},
    {"new[] nothrow", ARRAY, [](size_t n) { last = operator new[](n, std::nothrow); }},
    {"new[] aligned", ARRAY, [](size_t n) { last = operator new[](n, align); }},
};
const way frees[] = {
    {"free", MALLOC, [](size_t) { free(last); }},
    {"realloc", MALLOC, [](size_t n) { free(realloc(last, 2 * n)); }},
    {"delete", NEW, [](size_t) { operator delete(last); }},
    {"delete", NEW, [](size_t n) { operator delete(last, n); }},
    {"delete", NEW, [](size_t n) { operator delete(last, n, align); }},
    {"delete[]", ARRAY, [](size_t) { operator delete[](last); }},
    {"delete[]", ARRAY, [](size_t n) { operator delete[](last, n); }},
    {"delete[]", ARRAY, [](size_t n) { operator delete[](last, n, align); }},
};

// What two of these in a child say, and whether they end it.
bool ends(const way &a, const way &f, size_t n, std::string *said)
{
	int pipes[2];
	if (pipe(pipes) != 0)
		exit(2);
	const pid_t child = fork();
	if (child == 0) {
		const rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		dup2(pipes[1], STDERR_FILENO);
		for (int i = 0; i < 2; i++) {
			a.run(n);
			memset(last, 'x', n);
			f.run(n);
		}
		_exit(0);
	}
	close(pipes[1]);
	char text[1000];
	for (ssize_t got; (got = read(pipes[0], text, sizeof text)) > 0;)
		said->append(text, static_cast<size_t>(got));
	close(pipes[0]);
	int status = 0;
	waitpid(child, &status, 0);
	return status != 0;
}

} // namespace

int main(int argc, char **argv)
{
	const std::string how = argc > 1 ? argv[1] : "abort";
	int cells = 0, failures = 0;

	for (const way &a : allocations)
		for (const way &f : frees)
			for (const size_t n : {64, 1000, 8192, 40000, 2000000}) {
				std::string said;
				const bool ended = ends(a, f, n, &said);
				const std::string line = std::string("dmm: ") + f.name +
				                         " of what " + names[a.by] +
				                         " allocated: 0x";
				const bool found = said.compare(0, line.size(), line) == 0;
				const bool once = said.find("dmm: ", 1) == std::string::npos;
				const bool wrong = a.by != f.by && how != "silent";
				const bool good = wrong ? found && once && ended == (how == "abort")
				                        : !ended && said.empty();
				cells++;
				failures += !good;
				if (!good)
					printf("%s, %s, %zu bytes: %s, said %s\n", a.name, f.name,
					    n, ended ? "ended" : "went on", said.c_str());
			}
	printf("%d cells, %d failed\n", cells, failures);
	return failures != 0;
}
