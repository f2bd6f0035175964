#include "stats.h"

#include "check.h"
#include "json.h"

#include <string.h>

/* Of this machine, whatever it is. */
void test_stats(void)
{
    static char text[256 * 1024];
    const char *error = NULL;
    FILE *out = fmemopen(text, sizeof text, "w");
    CHECK(out != NULL);
    stats_write(out);
    long length = ftell(out);
    fclose(out);
    CHECK(length > 0 && length < (long)sizeof text - 1);
    struct json *json = json_parse(text, (size_t)length, &error);
    CHECK(json != NULL);
    CHECK(json_integer(json, "uptime_ms", 0) > 0 && json_integer(json, "processes", 0) > 0);
    CHECK(json_integer(json_get(json, "cpu"), "count", 0) > 0);
    CHECK(json_integer(json_get(json, "cpu"), "busy_ms", 0) > 0);
    long long total = json_integer(json_get(json, "memory"), "total_bytes", 0);
    CHECK(total > 0 && json_integer(json_get(json, "memory"), "available_bytes", total + 1) <= total);
    CHECK(json_integer(json_get(json, "disk"), "total_bytes", 0) > 0);
    const struct json *interfaces = json_get(json, "interfaces");
    CHECK(interfaces != NULL && interfaces->type == JSON_ARRAY);
    for (const struct json *one = interfaces->child; one != NULL; one = one->next) {
        CHECK(json_string(one, "name", "")[0] != 0 && strcmp(json_string(one, "name", ""), "lo") != 0);
        CHECK(json_integer(one, "rx_bytes", -1) >= 0 && json_get(one, "addresses") != NULL);
    }
    free(json);
}
