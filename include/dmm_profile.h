/* dmm_profile.h - the heap profile of this process, for programs on libdmm.so or libdmm.a that were
 * started with DMM_CONF=profile:512k.
 *
 *     if (dmm_profile_write != NULL && dmm_profile_write(fd) == 0)
 *             ...                               // go tool pprof FILE
 *
 * Weak: NULL where the program runs on another malloc.
 */
#ifndef DMM_PROFILE_H
#define DMM_PROFILE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Write the profile to a file descriptor, in pprof's format (profile.proto within gzip): call
 * stacks with estimates of what each allocated ever, has live now, had live at the peak, and freed
 * at once.  Addresses without function names; mappings with build-ids, by which readers find the
 * names.  Returns 0; or -1 and errno: ENODATA no profile is taken, ENOMEM, or as of write(2).
 * Thread-safe, also while others allocate; not async-signal-safe.  It allocates nothing from the
 * heap. */
__attribute__((weak)) int dmm_profile_write(int fd);

#ifdef __cplusplus
}
#endif
#endif
