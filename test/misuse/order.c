/* order.c - print where malloc puts 40 objects of a size, as distances from the first: for
 * settings.py. */
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 40, BYTES = 100 };

int main(void)
{
	char *p[COUNT];

	for (int i = 0; i < COUNT; i++)
		p[i] = malloc(BYTES);
	for (int i = 0; i < COUNT; i++)
		printf("%td ", p[i] - p[0]);
	printf("\n");
	return 0;
}
