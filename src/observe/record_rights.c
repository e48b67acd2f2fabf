/* record_rights.c - before a program gives up its root directory or its user, the
 * recording is opened. */
#include <dlfcn.h>
#include <unistd.h>

#include "base/crash.h"
#include "observe/record.h"

#define API __attribute__((visibility("default"), used))

static void *next(const char *name)
{
	void *const f = dlsym(RTLD_NEXT, name);
	if (f == NULL)
		crash("record: no %s behind the recorder", name);
	output_keep();
	return f;
}

typedef int of_path(const char *);
typedef int of_id(unsigned);
typedef int of_two(unsigned, unsigned);
typedef int of_three(unsigned, unsigned, unsigned);

API int chroot(const char *path)
{
	return ((of_path *)(uintptr_t)next("chroot"))(path);
}

API int setuid(uid_t id)
{
	return ((of_id *)(uintptr_t)next("setuid"))(id);
}

API int seteuid(uid_t id)
{
	return ((of_id *)(uintptr_t)next("seteuid"))(id);
}

API int setreuid(uid_t real_id, uid_t effective)
{
	return ((of_two *)(uintptr_t)next("setreuid"))(real_id, effective);
}

API int setresuid(uid_t real_id, uid_t effective, uid_t saved)
{
	return ((of_three *)(uintptr_t)next("setresuid"))(real_id, effective, saved);
}
