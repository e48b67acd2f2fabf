/* settings_probe.c - linked with libdmm-list.so, not preloaded: it can be made setuid, and then the
 * dynamic linker would drop a preload before the library could. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(void)
{
	char *const p = malloc(100);
	printf("%s\n", getauxval(AT_SECURE) ? "setuid" : "plain");
	free(p);
	return p == NULL;
}
