/* dmm_record.h - for programs that are recorded: which part of them is.
 *
 *     if (dmm_record_start != NULL)
 *             dmm_record_start();
 *
 * Both names are weak: NULL unless 'dmm record' runs the program, which needs to be linked with
 * nothing.  Calls of malloc between dmm_record_stop() and dmm_record_start() are not in the
 * recording; what is freed there stays live in it, and what is allocated there and freed later
 * counts as foreign.  'dmm record --paused' begins stopped.  Thread-safe and async-signal-safe;
 * they take effect on all threads of the process.
 */
#ifndef DMM_RECORD_H
#define DMM_RECORD_H

#ifdef __cplusplus
extern "C" {
#endif

__attribute__((weak)) void dmm_record_start(void);
__attribute__((weak)) void dmm_record_stop(void);

#ifdef __cplusplus
}
#endif

#endif
