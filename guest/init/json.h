/*
 * JSON (RFC 8259) to a tree, in one allocation. Bounded: depth, number of values. Strings are unescaped in place,
 * so the text must outlive the tree.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define JSON_MAX_DEPTH 32
#define JSON_MAX_VALUES 65536

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    bool is_integer;     /* JSON_NUMBER: `integer` is exact */
    long long integer;
    const char *key;     /* in an object */
    const char *string;  /* JSON_STRING; has no NUL inside */
    struct json *child;  /* first of an array or object */
    struct json *next;
    size_t length;       /* number of children */
};

/* `text[length]` must be 0. NULL with *error set to a constant text. Free the result with free(). */
struct json *json_parse(char *text, size_t length, const char **error);

/* The member, or NULL when absent, null, or `object` is not an object. The last of equal keys wins. */
const struct json *json_get(const struct json *object, const char *key);

/* The value or `otherwise` when absent or of another type. */
const char *json_string(const struct json *object, const char *key, const char *otherwise);
bool json_bool(const struct json *object, const char *key, bool otherwise);
long long json_integer(const struct json *object, const char *key, long long otherwise);

/* A NULL-ended malloc'ed array of the strings of an array; NULL = no memory or not an array of strings. */
const char **json_strings(const struct json *array);

/* `text` as the inside of a JSON string; cut where `capacity` ends, always ended with 0. */
void json_escape(const char *text, char *out, size_t capacity);
