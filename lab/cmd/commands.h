/* commands.h - the subcommands, each in its NAME.c: argv[0] is "dmm NAME"; they return the exit
 * status. */
#ifndef LAB_CMD_COMMANDS_H
#define LAB_CMD_COMMANDS_H

int cmd_advise(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_profile(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_systems(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_torture(int argc, char **argv);
int cmd_tune(int argc, char **argv);

/* Print output that is made from the table of all commands in main.c; an entry with name NULL ends
 * the table. */
struct command;
int cmd_completion(const struct command *commands, int argc, char **argv);
int cmd_manual(const struct command *commands, int argc, char **argv);


#endif
