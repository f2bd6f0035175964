/* A byte queue of fixed capacity in one piece of memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t start;
    size_t end;
    size_t capacity;
};

bool buffer_init(struct buffer *buffer, size_t capacity);
void buffer_free(struct buffer *buffer);
void buffer_clear(struct buffer *buffer);
/* Room for `length` bytes at the end, moving what is there to the front; NULL when it does not fit. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t length);
bool buffer_put(struct buffer *buffer, const void *bytes, size_t length);
void buffer_drop(struct buffer *buffer, size_t length);

static inline size_t buffer_used(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline size_t buffer_room(const struct buffer *buffer)
{
    return buffer->capacity - buffer_used(buffer);
}

static inline const uint8_t *buffer_head(const struct buffer *buffer)
{
    return buffer->data + buffer->start;
}
