/* forge.c - guess a canary byte by byte, each guess in a child of one parent that stays as it is.
 *
 *   DMM_CONF=hardened LD_PRELOAD=libdmm.so forge own | inherited | large
 *
 * own: each child writes past an object of its own; inherited: past one of the parent's;
 * large: past one of the parent's that is no slab's.
 *
 * A child that dies tells that the byte was wrong, one that lives that it was right.  So a server
 * that forks for each request, and has one canary for all of them, tells each byte of it within
 * 256 requests.  Exits 1 if the canary can be forged: the bytes of all of it were found, and three
 * children write past it undetected.
 */
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SMALL = 60000, SMALL_N = 8, BYTES = 8, GUESSES = 256, N = 24, LARGE = 40000 };

static char *inherited;
static char *small[SMALL]; /* of the parent */
static size_t n = N;

/* True: a child writes these bytes past the object, frees it, and lives. */
static bool passes(const unsigned char *bytes, size_t count)
{
	const pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		char *volatile p = inherited != NULL ? inherited : malloc(n);
		memcpy(p + n, bytes, count);
		free(p);
		for (int i = 0; i < (count == 0 ? SMALL : 0); i++)
			if (malloc_usable_size(small[i]) != SMALL_N)
				_exit(1);
		_exit(0);
	}
	int status = -1;
	waitpid(child, &status, 0);
	return status == 0;
}

int main(int argc, char **argv)
{
	const char *const how = argc > 1 ? argv[1] : "own";
	unsigned char known[BYTES];
	int tries = 0, count = 0;

	if (strcmp(how, "large") == 0)
		n = LARGE;
	if (strcmp(how, "own") != 0)
		inherited = memset(malloc(n), 'p', n);
	for (int i = 0; i < SMALL; i++)
		small[i] = malloc(SMALL_N);
	if (!passes(known, 0)) {
		fprintf(stderr, "forge: a child that does nothing wrong dies\n");
		return 2;
	}
	for (bool found = true; count < BYTES && found; count += found) {
		found = false;
		for (int guess = 0; guess < GUESSES && !found; guess++, tries++) {
			known[count] = (unsigned char)guess;
			found = passes(known, (size_t)count + 1);
		}
	}
	bool forged = count == BYTES;
	for (int again = 0; again < 3 && forged; again++)
		forged = passes(known, BYTES);
	const bool sound = passes(known, 0); /* damage was found meanwhile: another key */
	printf("%s: %d bytes of %d guessed with %d children; %s\n", how, count, BYTES, tries,
	    forged ? "the canary is FORGED" : "the canary cannot be forged");
	free(inherited);
	if (!sound)
		printf("an inherited object has another size\n");
	return forged || !sound;
}
