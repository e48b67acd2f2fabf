/* entry.c - which system this library is: -DDMM_BOUND=system_list makes libdmm-list.so. */
#include "interpose/interpose.h"
#include "system/systems.h"

EXPORT const struct dmm_system *dmm_system_entry(void)
{
	return &DMM_BOUND;
}
