/* large_pages.c - a preloaded library that says what a kernel with pages of 64 KiB says of them. */
#include <elf.h>
#include <sys/auxv.h>

__attribute__((visibility("default"))) unsigned long getauxval(unsigned long type)
{
	return type == AT_PAGESZ ? 1ul << 16 : 0;
}
