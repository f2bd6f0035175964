#include "json.h"

#include "check.h"

#include <limits.h>
#include <string.h>

/* In memory of exactly its size, so that the sanitizer sees a read behind it. */
static struct json *parse(const char *text, char **copy)
{
    const char *error;
    *copy = strdup(text);
    return json_parse(*copy, strlen(text), &error);
}

static void accepts_and_reads(void)
{
    char *copy;
    struct json *json = parse(" {\"a\":\"x\\n\\u00e9\\ud83d\\ude00\\\"\",\"n\":-42,\"f\":1.5e3,\"t\":true,\"z\":null,"
                              "\"l\":[\"p\",\"q\"],\"a2\":{},\"n\":7,\"big\":99999999999999999999} ", &copy);
    CHECK(json != NULL);
    CHECK(strcmp(json_string(json, "a", ""), "x\n\xc3\xa9\xf0\x9f\x98\x80\"") == 0);
    CHECK(json_integer(json, "n", 0) == 7);
    CHECK(json_integer(json, "f", -1) == -1);
    CHECK(json_integer(json, "big", -1) == -1);
    CHECK(json_bool(json, "t", false) && json_bool(json, "a", true));
    CHECK(json_get(json, "z") == NULL && json_get(json, "nothing") == NULL);
    const char **list = json_strings(json_get(json, "l"));
    CHECK(list != NULL && strcmp(list[0], "p") == 0 && strcmp(list[1], "q") == 0 && list[2] == NULL);
    CHECK(json_strings(json_get(json, "a2")) == NULL);
    free(list);
    list = json_strings(NULL);
    CHECK(list != NULL && list[0] == NULL);
    free(list);
    free(json);
    free(copy);
}

static void refuses(void)
{
    static const char *const bad[] = {"",       "{",         "[1,]",       "{\"a\"}",      "{\"a\":}",  "{a:1}",
                                      "01",     "-",         "1.",         "1e",           "tru",       "\"abc",
                                      "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\u0000\"", "\"\n\"",    "1 2",
                                      "[1 2]",  "\"\\",      "\"\\u",      "{\"a\":1,}",   "[\"\\ud800\\u0041\"]", "nul"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *copy;
        CHECK(parse(bad[i], &copy) == NULL);
        free(copy);
    }
    char deep[200], *copy;
    memset(deep, '[', 100);
    memset(deep + 100, ']', 99);
    deep[199] = 0;
    CHECK(parse(deep, &copy) == NULL);
    free(copy);
}

/* Random damage must neither crash nor read out of bounds; the sanitizer watches. */
static void survives_damage(void)
{
    static const char text[] = "{\"a\":[1,2,{\"b\":\"\\u00e9\\n\"}],\"c\":{\"d\":null,\"e\":-1.5e+10},\"f\":[true,false]}";
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char *copy = strdup(text);
        size_t length = (size_t)rand() % sizeof text;
        copy[length] = 0;
        for (int i = 0; i < 3 && length > 0; i++)
            copy[(size_t)rand() % length] = (char)(rand() % 128);
        char *exact = strdup(copy);
        const char *error;
        struct json *json = json_parse(exact, strlen(exact), &error);
        free(json);
        free(exact);
        free(copy);
    }
}

static void escapes(void)
{
    char out[16];
    json_escape("a\"\\\n", out, sizeof out);
    CHECK(strcmp(out, "a\\\"\\\\\\u000a") == 0);
    json_escape("\x01\x02\x03", out, sizeof out);
    CHECK(strcmp(out, "\\u0001\\u0002") == 0);
}

void test_json(void)
{
    accepts_and_reads();
    refuses();
    survives_damage();
    escapes();
}
