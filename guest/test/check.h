/* A failed check names its place and ends the program. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

void test_json(void);
void test_mux(void);
void test_proxy(void);
void test_forward(void);
void test_copy(void);
void test_stats(void);
void test_vsock(void);
void test_status_disk(void);
void test_users(void);
void test_config(void);
