/* assert.h - CHECK stays in release and costs a predicted branch; DEBUG_CHECK may walk structures.
 * Both end in crash_assert(), which neither allocates nor uses stdio. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include "base/config.h"
#include "base/crash.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (unlikely(!(cond)))                                                             \
			crash_assert(#cond, __FILE__, __LINE__);                                   \
	} while (0)

#define DEBUG_CHECK(cond)                                                                          \
	do {                                                                                       \
		if (config_debug_check)                                                            \
			CHECK(cond);                                                               \
	} while (0)

#endif
