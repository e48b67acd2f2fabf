/* profile.h - the heap profile in pprof's format, for dmm_profile_write() and for reports. */
#ifndef INTERPOSE_PROFILE_H
#define INTERPOSE_PROFILE_H

/* Write it to fd.  0, or an errno; ENODATA: no profile is taken. */
int profile_write(int fd);

#endif
