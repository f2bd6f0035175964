#include "buffer.h"

#include <stdlib.h>
#include <string.h>

bool buffer_init(struct buffer *buffer, size_t capacity)
{
    *buffer = (struct buffer){.data = malloc(capacity), .capacity = capacity};
    return buffer->data != NULL;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->start = buffer->end = 0;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t length)
{
    if (buffer_room(buffer) < length)
        return NULL;
    if (buffer->capacity - buffer->end < length) {
        memmove(buffer->data, buffer->data + buffer->start, buffer_used(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    return buffer->data + buffer->end;
}

bool buffer_put(struct buffer *buffer, const void *bytes, size_t length)
{
    uint8_t *at = buffer_reserve(buffer, length);
    if (at == NULL)
        return false;
    if (length > 0)
        memcpy(at, bytes, length);
    buffer->end += length;
    return true;
}

void buffer_drop(struct buffer *buffer, size_t length)
{
    buffer->start += length;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}
