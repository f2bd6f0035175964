/* One running program of the image, and our ends of its standard streams. */
#pragma once

#include "users.h"

#include <stdbool.h>
#include <stdint.h>

#define COMMAND_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum stdio_kind {
    STDIO_CONSOLE, /* nothing in, everything out to /dev/console */
    STDIO_PIPES,
    STDIO_TTY,
};

struct command_spec {
    /* NULL, or what runs in the new process instead of a program; gives the exit code. `args` and `env` do not count. */
    int (*run)(const void *task);
    const void *task;
    const char **args;     /* NULL-ended, at least one */
    const char **env;      /* NULL-ended, later entries win */
    const char *cwd;       /* made when missing */
    const struct user *user;
    enum stdio_kind stdio;
    bool has_stdin;        /* STDIO_PIPES: else /dev/null */
    bool sets_user_names;  /* USER and LOGNAME too */
    unsigned short rows, cols;
};

struct command {
    int pid;               /* also its process group; 0 = not started */
    int in, out, err;      /* non-blocking; -1 = closed */
    /* would have blocked when last tried, and poll has not said otherwise since */
    bool in_waits, out_waits, err_waits;
    bool tty;
    bool is_over;
    int code;              /* when over: as a shell tells it */
    long long over_at;     /* ms, as all below; 0 = none */
    long long deadline;    /* then TERM */
    long long kill_at;     /* then KILL */
};

/* False with errno when no process could be made. A program that cannot be executed ends with 127 or 126. */
bool command_start(struct command *command, const struct command_spec *spec);
void command_close(struct command *command);
/* TERM to the process group now, KILL after `grace_ms`. */
void command_end(struct command *command, int grace_ms);
/* To the terminal's foreground group, else to the command's group. */
void command_signal(struct command *command, int signal_number);
void command_resize(struct command *command, unsigned short rows, unsigned short cols);
/* Does what deadline and kill_at ask for; returns the next moment it has to be called again, 0 = none. */
long long command_tick(struct command *command, long long now);
/* After wait: `status` is wait's. */
void command_over(struct command *command, int status);
/* "INT", "SIGINT"; 0 = unknown */
int signal_by_name(const char *name);
