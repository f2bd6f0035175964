#include "command.h"

#include "clock.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_GRACE_MS 2000
#define MAX_ENV 1024
/* More than the agent ever holds: a few for each session, connection and stream */
#define MAX_OPEN 4096

/* ---- in the child, up to exec ---- */

static _Noreturn void refuse(int code, const char *what, const char *why)
{
    dprintf(STDERR_FILENO, "flintlock: %s: %s\n", what, why);
    _exit(code);
}

static const char *env_value(const char **env, const char *key)
{
    size_t length = strlen(key);
    const char *found = NULL;
    for (; *env != NULL; env++)
        if (strncmp(*env, key, length) == 0 && (*env)[length] == '=')
            found = *env + length + 1;
    return found;
}

static const char *joined(const char *key, const char *value)
{
    char *text;
    if (asprintf(&text, "%s=%s", key, value) < 0)
        refuse(126, "environment", "out of memory");
    return text;
}

/* `from` without entries that a later one replaces, and with what docker adds. */
static const char **make_env(const struct command_spec *spec)
{
    static const char *env[MAX_ENV + 8];
    size_t count = 0;
    for (const char **entry = spec->env; *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');
        if (equals == NULL || equals == *entry)
            continue;
        size_t key = (size_t)(equals - *entry) + 1, i = 0;
        while (i < count && strncmp(env[i], *entry, key) != 0)
            i++;
        if (i == MAX_ENV)
            refuse(126, "environment", "more than 1024 variables");
        env[i] = *entry;
        count += i == count;
    }
    char hostname[65] = "";
    gethostname(hostname, sizeof hostname - 1);
    const char *defaults[][2] = {{"PATH", COMMAND_DEFAULT_PATH},
                                 {"HOME", spec->user->home},
                                 {"HOSTNAME", hostname},
                                 {"TERM", spec->stdio == STDIO_TTY ? "xterm" : NULL},
                                 {"USER", spec->sets_user_names ? spec->user->name : NULL},
                                 {"LOGNAME", spec->sets_user_names ? spec->user->name : NULL}};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (defaults[i][1] != NULL && defaults[i][1][0] && env_value(env, defaults[i][0]) == NULL)
            env[count++] = joined(defaults[i][0], defaults[i][1]);
    env[count] = NULL;
    return env;
}

/* execvp with the new environment's PATH, and with the error that tells most. */
static _Noreturn void execute(const char **args, const char **env)
{
    const char *path = env_value(env, "PATH");
    int error = ENOENT;
    if (strchr(args[0], '/') != NULL) {
        execve(args[0], (char **)args, (char **)env);
        error = errno;
    } else {
        while (path != NULL && *path) {
            char file[PATH_MAX];
            int length = (int)strcspn(path, ":");
            int n = snprintf(file, sizeof file, "%.*s%s%s", length, path, length ? "/" : "", args[0]);
            if (n > 0 && (size_t)n < sizeof file) {
                execve(file, (char **)args, (char **)env);
                if (errno != ENOENT && errno != ENOTDIR)
                    error = errno;
            }
            path += length;
            path += *path == ':';
        }
    }
    if (error == ENOENT && access(args[0], F_OK) == 0 && strchr(args[0], '/') != NULL)
        refuse(127, args[0], "its interpreter or loader is missing from the image");
    refuse(error == ENOENT || error == ENOTDIR ? 127 : 126, args[0],
           error == ENOENT ? "not found in the image" : strerror(error));
}

static void reset_signals(void)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* So that the program may open /dev/stdout again, as under docker; /dev/null stays everybody's. */
static void give_streams(const int stdio[3], const struct user *user)
{
    struct stat status, null;
    if (stat("/dev/null", &null) < 0)
        null.st_rdev = 0;
    for (int i = 0; i < 3 && user->uid != 0; i++)
        if (fstat(stdio[i], &status) == 0 && (!S_ISCHR(status.st_mode) || status.st_rdev != null.st_rdev))
            fchown(stdio[i], user->uid, user->gid);
}

/* Nothing is executed that would close them: the agent's own end of a pipe, held here, would keep it from ending. */
static void close_others(void)
{
    long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < (limit > 0 && limit < MAX_OPEN ? limit : MAX_OPEN); fd++)
        close(fd);
}

static _Noreturn void run_child(const struct command_spec *spec, const int stdio[3])
{
    const struct user *user = spec->user;
    reset_signals();
    give_streams(stdio, user);
    for (int i = 0; i < 3; i++)
        dup2(stdio[i], i);
    setsid();
    file_write("/proc/self/oom_score_adj", "0"); /* the agent's own is lower */
    if (spec->stdio == STDIO_TTY)
        ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    const char **env = spec->run == NULL ? make_env(spec) : NULL;
    if (chdir(spec->cwd) < 0 && (!file_make_directories(spec->cwd, 0755) || chdir(spec->cwd) < 0))
        refuse(126, spec->cwd, strerror(errno));
    if (setgroups(user->group_count, user->groups) < 0 || setgid(user->gid) < 0 || setuid(user->uid) < 0)
        refuse(126, "user", strerror(errno));
    umask(022);
    if (spec->run != NULL) {
        close_others();
        _exit(spec->run(spec->task));
    }
    execute(spec->args, env);
}

/* ---- our side ---- */

struct ends {
    int child[3];
    int ours[3];
};

static void close_all(int fds[3])
{
    for (int i = 0; i < 3; i++) {
        int fd = fds[i];
        for (int j = i; j < 3; j++)
            if (fds[j] == fd)
                fds[j] = -1;
        if (fd >= 0)
            close(fd);
    }
}

static bool open_pipe(struct ends *ends, int which)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    bool is_input = which == 0;
    ends->child[which] = fds[is_input ? 0 : 1];
    ends->ours[which] = fds[is_input ? 1 : 0];
    fcntl(ends->ours[which], F_SETFL, O_NONBLOCK);
    return true;
}

static bool open_tty(struct ends *ends, const struct command_spec *spec)
{
    struct winsize size = {.ws_row = spec->rows, .ws_col = spec->cols};
    int number, unlocked = 0;
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0)
        return false;
    ends->ours[0] = master;
    ends->ours[1] = fcntl(master, F_DUPFD_CLOEXEC, 3);
    if (ends->ours[1] < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
        return false;
    char path[32];
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    int slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return false;
    if (size.ws_row > 0 && size.ws_col > 0)
        ioctl(slave, TIOCSWINSZ, &size);
    ends->child[0] = ends->child[1] = ends->child[2] = slave;
    return true;
}

static bool open_ends(struct ends *ends, const struct command_spec *spec)
{
    if (spec->stdio == STDIO_TTY)
        return open_tty(ends, spec);
    if (spec->stdio == STDIO_PIPES)
        return (spec->has_stdin ? open_pipe(ends, 0) : (ends->child[0] = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0) &&
               open_pipe(ends, 1) && open_pipe(ends, 2);
    int console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
    ends->child[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    ends->child[1] = ends->child[2] = console >= 0 ? console : ends->child[0];
    return ends->child[0] >= 0;
}

bool command_start(struct command *command, const struct command_spec *spec)
{
    struct ends ends = {{-1, -1, -1}, {-1, -1, -1}};
    *command = (struct command){.in = -1, .out = -1, .err = -1, .tty = spec->stdio == STDIO_TTY};
    if (!open_ends(&ends, spec))
        goto failed;
    /* dup2 onto 0..2 in the child must not hit one of these: PID 1 always has 0..2 open, so they are above. */
    command->pid = fork();
    if (command->pid == 0)
        run_child(spec, ends.child);
    if (command->pid < 0)
        goto failed;
    close_all(ends.child);
    command->in = ends.ours[0];
    command->out = ends.ours[1];
    command->err = ends.ours[2];
    return true;
failed:;
    int saved = errno;
    close_all(ends.child);
    close_all(ends.ours);
    command->pid = 0;
    errno = saved;
    return false;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void command_close(struct command *command)
{
    close_end(&command->in);
    close_end(&command->out);
    close_end(&command->err);
}

void command_end(struct command *command, int grace_ms)
{
    if (command->pid <= 0 || command->is_over || command->kill_at != 0)
        return;
    kill(-command->pid, SIGTERM);
    kill(-command->pid, SIGCONT);
    command->kill_at = clock_ms() + grace_ms;
}

void command_signal(struct command *command, int signal_number)
{
    int group = 0;
    if (command->pid <= 0 || command->is_over)
        return;
    if (!command->tty || command->out < 0 || ioctl(command->out, TIOCGPGRP, &group) < 0 || group <= 0)
        group = command->pid;
    kill(-group, signal_number);
}

void command_resize(struct command *command, unsigned short rows, unsigned short cols)
{
    struct winsize size = {.ws_row = rows, .ws_col = cols};
    if (command->tty && command->out >= 0 && rows > 0 && cols > 0)
        ioctl(command->out, TIOCSWINSZ, &size);
}

long long command_tick(struct command *command, long long now)
{
    if (command->pid <= 0 || command->is_over)
        return 0;
    if (command->deadline != 0 && now >= command->deadline) {
        command->deadline = 0;
        command_end(command, KILL_GRACE_MS);
    }
    if (command->kill_at != 0 && now >= command->kill_at) {
        command->kill_at = now + KILL_GRACE_MS; /* again: a member may have forked meanwhile */
        kill(-command->pid, SIGKILL);
    }
    return command->kill_at != 0 ? command->kill_at : command->deadline;
}

void command_over(struct command *command, int status)
{
    command->is_over = true;
    command->over_at = clock_ms();
    command->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int signal_by_name(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},   {"ABRT", SIGABRT}, {"KILL", SIGKILL},
                 {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},   {"ALRM", SIGALRM}, {"TERM", SIGTERM},
                 {"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"STOP", SIGSTOP},   {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
                 {"TTOU", SIGTTOU}, {"URG", SIGURG},   {"WINCH", SIGWINCH}, {"IO", SIGIO},     {"SYS", SIGSYS}};
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].number;
    return 0;
}
