/* elf_file.h - what an ELF file says about itself: enough to know whether it can be preloaded, or
 * preloaded into. */
#ifndef LAB_PROCESS_ELF_FILE_H
#define LAB_PROCESS_ELF_FILE_H

#include <stdbool.h>

enum { ELF_PROBLEM_LEN = 96, ELF_ID_LEN = 65 };

struct elf_facts {
	char problem[ELF_PROBLEM_LEN]; /* "" or why the file cannot serve in this process */
	char build_id[ELF_ID_LEN];     /* hexadecimal; "" if there is none */
	bool interpreted;              /* asks for a dynamic loader: not static */
	bool shared;                   /* ET_DYN */
	bool has_malloc;               /* defines malloc for others */
	bool has_entry;                /* defines dmm_system_entry: a system outside the tree */
	const char *sanitizer;         /* "AddressSanitizer" ... or NULL */
};

/* False: the file cannot be read or is not ELF of this machine; facts->problem says which. */
bool elf_read(const char *path, struct elf_facts *facts);

#endif
