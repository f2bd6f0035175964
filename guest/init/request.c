#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TIMEOUT_SEC (366 * 24 * 3600)

static const char *const no_strings[] = {NULL};

static size_t count(const char *const *strings)
{
    size_t n = 0;
    while (strings[n] != NULL)
        n++;
    return n;
}

/* `sh -c "cmd args…"`, or `cmd` with its args. */
static const char *parse_args(struct exec_request *request, const struct json *exec)
{
    const char *cmd = json_string(exec, "cmd", "");
    const char **given = json_strings(json_get(exec, "args"));
    if (given == NULL)
        return "exec.args: must be an array of strings";
    size_t n = count(given);
    const char **args = calloc(n + 4, sizeof *args);
    request->args = args;
    if (args == NULL) {
        free(given);
        return "out of memory";
    }
    if (json_bool(exec, "shell", false)) {
        size_t length = strlen(cmd) + 1;
        for (size_t i = 0; i < n; i++)
            length += strlen(given[i]) + 1;
        char *at = request->script = malloc(length);
        if (at == NULL) {
            free(given);
            return "out of memory";
        }
        at = stpcpy(at, cmd);
        for (size_t i = 0; i < n; i++) {
            *at++ = ' ';
            at = stpcpy(at, given[i]);
        }
        args[0] = "sh";
        args[1] = "-c";
        args[2] = request->script;
    } else {
        args[0] = cmd;
        memcpy(args + 1, given, n * sizeof *args);
    }
    free(given);
    request->spec.args = args;
    return cmd[0] || request->script != NULL ? NULL : "exec.cmd: missing";
}

/* The main process's environment, the user's HOME, then the request's own. */
static const char *parse_env(struct exec_request *request, const struct json *exec, const char *const *base, bool has_user)
{
    const struct json *env = json_get(exec, "env");
    if (env != NULL && env->type != JSON_OBJECT)
        return "exec.env: must be an object";
    size_t used = count(base), capacity = used + (env ? env->length : 0) + 2;
    size_t length = strlen(request->user.home) + 6;
    for (const struct json *item = env ? env->child : NULL; item != NULL; item = item->next) {
        if (item->type != JSON_STRING || item->key[0] == 0 || strchr(item->key, '=') != NULL)
            return "exec.env: names without =, values strings";
        length += strlen(item->key) + strlen(item->string) + 2;
    }
    const char **entries = calloc(capacity, sizeof *entries);
    char *text = malloc(length);
    request->env = entries;
    request->env_text = text;
    if (entries == NULL || text == NULL)
        return "out of memory";
    memcpy(entries, base, used * sizeof *entries);
    if (has_user) {
        entries[used++] = text;
        text += sprintf(text, "HOME=%s", request->user.home) + 1;
    }
    for (const struct json *item = env ? env->child : NULL; item != NULL; item = item->next) {
        entries[used++] = text;
        text += sprintf(text, "%s=%s", item->key, item->string) + 1;
    }
    request->spec.env = entries;
    return NULL;
}

static unsigned short size_of(const struct json *tty, const char *key)
{
    long long value = json_integer(tty, key, 0);
    return value > 0 && value < 10000 ? (unsigned short)value : 0;
}

const char *exec_request_parse(struct exec_request *request, const struct json *exec, const struct process_config *process,
                               char *problem, size_t capacity)
{
    *request = (struct exec_request){0};
    if (exec == NULL || exec->type != JSON_OBJECT)
        return "exec: missing";
    const struct json *tty = json_get(exec, "tty");
    const char *user = json_string(exec, "user", ""), *cwd = json_string(exec, "cwd", "");
    long long timeout = json_integer(exec, "timeout_sec", 0);
    request->spec.cwd = *cwd ? cwd : process != NULL ? process->cwd : "/";
    request->spec.user = &request->user;
    request->spec.sets_user_names = *user != 0;
    request->spec.has_stdin = json_bool(exec, "has_stdin", false);
    request->spec.stdio = tty != NULL && tty->type == JSON_OBJECT ? STDIO_TTY : STDIO_PIPES;
    request->spec.rows = size_of(tty, "rows");
    request->spec.cols = size_of(tty, "cols");
    request->timeout_sec = timeout > 0 ? (int)(timeout < MAX_TIMEOUT_SEC ? timeout : MAX_TIMEOUT_SEC) : 0;
    if (!user_resolve("/etc/passwd", "/etc/group", user, &request->user, problem, capacity))
        return problem;
    const char *error = parse_args(request, exec);
    if (error == NULL)
        error = parse_env(request, exec, process != NULL ? (const char *const *)process->env : no_strings, *user != 0);
    return error;
}

void exec_request_free(struct exec_request *request)
{
    free(request->args);
    free(request->script);
    free(request->env);
    free(request->env_text);
}
