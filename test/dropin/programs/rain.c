/* rain.c - the lecture's overrun: 42 bytes into 32, by free or, with an argument, by realloc. */
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	char *s = malloc(32);
	char *const after = malloc(32);
	(void)argv;

	strcpy(s, "The rain in Spain is mainly in the plain.");
	if (argc > 1)
		s = realloc(s, 1000); /* here */
	free(s); /* here */
	free(after);
	return 0;
}
