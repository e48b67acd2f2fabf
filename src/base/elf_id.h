/* elf_id.h - the build-id of an ELF file that is mapped somewhere, without reading the file.
 *
 * Nothing is allocated or locked: usable inside malloc.
 */
#ifndef BASE_ELF_ID_H
#define BASE_ELF_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ELF_ID_ROOM = 48 }; /* bytes for 20 in hexadecimal */

/* The build-id among notes, in hexadecimal.  False: there is none. */
bool elf_id_in_notes(const void *notes, size_t len, char id[ELF_ID_ROOM]);

/* Reads n bytes of memory at an address; false: they are not there. */
typedef bool elf_peek(void *arg, uint64_t addr, void *to, size_t n);
/* That of the file whose beginning is mapped at `base`, or "-". */
void elf_id_at(elf_peek *peek, void *arg, uint64_t base, char id[ELF_ID_ROOM]);

#endif
