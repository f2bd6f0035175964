#include "json.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    char *at;
    char *end;
    struct json *values;
    size_t used;
    size_t capacity;
    const char *error;
};

static bool fail(struct parser *p, const char *error)
{
    if (p->error == NULL)
        p->error = error;
    return false;
}

static void skip_space(struct parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
        p->at++;
}

static bool hex4(const char *at, unsigned *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (unsigned)((c | 32) - 'a' + 10);
        else
            return false; /* also the 0 at the end of the text */
        *value = *value << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 63));
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    }
    return out;
}

/* At the \u's four digits; leaves p->at behind them. */
static bool parse_unicode(struct parser *p, char **out)
{
    unsigned c, low;
    if (!hex4(p->at, &c))
        return fail(p, "bad \\u escape");
    p->at += 4;
    if (c >= 0xd800 && c < 0xdc00) {
        if (p->at[0] != '\\' || p->at[1] != 'u' || !hex4(p->at + 2, &low) || low < 0xdc00 || low > 0xdfff)
            return fail(p, "lone surrogate");
        p->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return fail(p, "lone surrogate");
    }
    if (c == 0)
        return fail(p, "NUL in a string");
    *out = put_utf8(*out, c);
    return true;
}

/* The escaped text is never shorter than the plain one, so it is unescaped where it stands. */
static bool parse_string(struct parser *p, const char **string)
{
    char *out = ++p->at;
    *string = out;
    for (;;) {
        unsigned char c = (unsigned char)*p->at;
        if (c == '"')
            break;
        if (c < 0x20)
            return fail(p, p->at == p->end ? "unfinished string" : "control character in a string");
        if (c != '\\') {
            *out++ = *p->at++;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        char escape = p->at[1];
        const char *known = escape ? strchr(from, escape) : NULL;
        if (known != NULL) {
            *out++ = to[known - from];
            p->at += 2;
        } else if (escape == 'u') {
            p->at += 2;
            if (!parse_unicode(p, &out))
                return false;
        } else {
            return fail(p, "bad escape");
        }
    }
    p->at++;
    *out = 0;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_number(struct parser *p, struct json *value)
{
    bool negative = *p->at == '-';
    if (negative)
        p->at++;
    if (!is_digit(*p->at) || (*p->at == '0' && is_digit(p->at[1])))
        return fail(p, "bad number");
    value->type = JSON_NUMBER;
    value->is_integer = true;
    for (; is_digit(*p->at); p->at++) {
        if (value->integer > (LLONG_MAX - 9) / 10)
            value->is_integer = false;
        else
            value->integer = value->integer * 10 + (*p->at - '0');
    }
    if (negative)
        value->integer = -value->integer;
    if (*p->at == '.') {
        value->is_integer = false;
        if (!is_digit(*++p->at))
            return fail(p, "bad number");
        while (is_digit(*p->at))
            p->at++;
    }
    if (*p->at == 'e' || *p->at == 'E') {
        value->is_integer = false;
        p->at++;
        if (*p->at == '+' || *p->at == '-')
            p->at++;
        if (!is_digit(*p->at))
            return fail(p, "bad number");
        while (is_digit(*p->at))
            p->at++;
    }
    return true;
}

static bool parse_word(struct parser *p, struct json *value, const char *word, enum json_type type)
{
    size_t length = strlen(word);
    if (strncmp(p->at, word, length) != 0)
        return fail(p, "unknown word");
    p->at += length;
    value->type = type;
    return true;
}

static struct json *parse_value(struct parser *p, int depth);

static bool parse_members(struct parser *p, struct json *parent, char close, int depth)
{
    struct json **tail = &parent->child;
    p->at++;
    skip_space(p);
    if (*p->at == close) {
        p->at++;
        return true;
    }
    for (;;) {
        const char *key = NULL;
        skip_space(p);
        if (close == '}') {
            if (*p->at != '"')
                return fail(p, "a key must be a string");
            if (!parse_string(p, &key))
                return false;
            skip_space(p);
            if (*p->at++ != ':')
                return fail(p, "a colon must follow the key");
        }
        struct json *member = parse_value(p, depth + 1);
        if (member == NULL)
            return false;
        member->key = key;
        *tail = member;
        tail = &member->next;
        parent->length++;
        skip_space(p);
        if (*p->at == close)
            break;
        if (*p->at != ',')
            return fail(p, "a comma or the end must follow the value");
        p->at++;
    }
    p->at++;
    return true;
}

static struct json *parse_value(struct parser *p, int depth)
{
    if (depth > JSON_MAX_DEPTH)
        return fail(p, "too deep"), NULL;
    if (p->used == p->capacity)
        return fail(p, "too many values"), NULL;
    struct json *value = &p->values[p->used++];
    bool ok;
    skip_space(p);
    switch (*p->at) {
    case '{':
        value->type = JSON_OBJECT;
        ok = parse_members(p, value, '}', depth);
        break;
    case '[':
        value->type = JSON_ARRAY;
        ok = parse_members(p, value, ']', depth);
        break;
    case '"':
        value->type = JSON_STRING;
        ok = parse_string(p, &value->string);
        break;
    case 'n':
        ok = parse_word(p, value, "null", JSON_NULL);
        break;
    case 't':
        ok = parse_word(p, value, "true", JSON_TRUE);
        break;
    case 'f':
        ok = parse_word(p, value, "false", JSON_FALSE);
        break;
    default:
        ok = parse_number(p, value);
    }
    return ok ? value : NULL;
}

struct json *json_parse(char *text, size_t length, const char **error)
{
    /* Each value but the first stands behind one of these, so this many are enough. */
    size_t capacity = 1;
    for (size_t i = 0; i < length; i++)
        capacity += text[i] == ',' || text[i] == ':' || text[i] == '[';
    if (capacity > JSON_MAX_VALUES)
        capacity = JSON_MAX_VALUES;
    struct parser p = {.at = text, .end = text + length, .capacity = capacity};
    p.values = calloc(capacity, sizeof *p.values);
    if (p.values == NULL) {
        *error = "out of memory";
        return NULL;
    }
    struct json *root = parse_value(&p, 0);
    if (root != NULL) {
        skip_space(&p);
        if (p.at != p.end)
            fail(&p, "text behind the value");
    }
    if (p.error != NULL) {
        *error = p.error;
        free(p.values);
        return NULL;
    }
    return root; /* is p.values: the first value taken */
}

const struct json *json_get(const struct json *object, const char *key)
{
    const struct json *found = NULL;
    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    for (const struct json *member = object->child; member != NULL; member = member->next)
        if (strcmp(member->key, key) == 0)
            found = member;
    return found != NULL && found->type != JSON_NULL ? found : NULL;
}

const char *json_string(const struct json *object, const char *key, const char *otherwise)
{
    const struct json *value = json_get(object, key);
    return value != NULL && value->type == JSON_STRING ? value->string : otherwise;
}

bool json_bool(const struct json *object, const char *key, bool otherwise)
{
    const struct json *value = json_get(object, key);
    return value != NULL && (value->type == JSON_TRUE || value->type == JSON_FALSE) ? value->type == JSON_TRUE
                                                                                     : otherwise;
}

long long json_integer(const struct json *object, const char *key, long long otherwise)
{
    const struct json *value = json_get(object, key);
    return value != NULL && value->type == JSON_NUMBER && value->is_integer ? value->integer : otherwise;
}

const char **json_strings(const struct json *array)
{
    if (array != NULL && array->type != JSON_ARRAY)
        return NULL;
    const char **strings = calloc((array != NULL ? array->length : 0) + 1, sizeof *strings);
    size_t count = 0;
    for (const struct json *item = array != NULL ? array->child : NULL; item != NULL && strings != NULL;
         item = item->next) {
        if (item->type != JSON_STRING) {
            free(strings);
            return NULL;
        }
        strings[count++] = item->string;
    }
    return strings;
}

void json_escape(const char *text, char *out, size_t capacity)
{
    size_t used = 0;
    for (; *text; text++) {
        char escaped[8];
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f) /* \u00XX for bytes that may not be UTF-8: never an invalid line */
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else
            snprintf(escaped, sizeof escaped, "%c", c);
        size_t length = strlen(escaped);
        if (used + length + 1 > capacity)
            break;
        memcpy(out + used, escaped, length);
        used += length;
    }
    out[used] = 0;
}
