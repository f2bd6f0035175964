/* The `exec` of a request as a command_spec. */
#pragma once

#include "command.h"
#include "config.h"
#include "json.h"

struct exec_request {
    struct command_spec spec;
    struct user user;
    int timeout_sec;        /* 0 = none */
    /* what `spec` points into, with the request's JSON */
    const char **args, **env;
    char *script, *env_text;
};

/* NULL, or what is wrong (constant or in `problem`). `process` gives environment and directory, NULL in init mode. */
const char *exec_request_parse(struct exec_request *request, const struct json *exec, const struct process_config *process,
                               char *problem, size_t capacity);
void exec_request_free(struct exec_request *request);
