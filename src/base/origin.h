/* origin.h - which family of functions allocated an object: the same has to free it. */
#ifndef BASE_ORIGIN_H
#define BASE_ORIGIN_H

enum origin { ORIGIN_MALLOC, ORIGIN_NEW, ORIGIN_NEW_ARRAY, ORIGINS };

#endif
