/* torture_main.c - dmm torture alone: quick to build under a sanitizer, or with a seeded bug. */
#include "cmd/commands.h"

int main(int argc, char **argv)
{
	return cmd_torture(argc, argv);
}
