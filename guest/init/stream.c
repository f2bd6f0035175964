#include "stream.h"

bool stream_init(struct stream *stream, uint32_t port)
{
    *stream = (struct stream){.port = port};
    if (buffer_init(&stream->in, STREAM_IN_BYTES) && buffer_init(&stream->out, STREAM_OUT_BYTES))
        return true;
    stream_free(stream);
    return false;
}

void stream_free(struct stream *stream)
{
    buffer_free(&stream->in);
    buffer_free(&stream->out);
    *stream = (struct stream){0};
}

void stream_take(struct stream *stream, size_t length)
{
    buffer_drop(&stream->in, length);
    stream->taken += length;
}

void stream_end(struct stream *stream)
{
    stream->out_eof = true;
}

void stream_reset(struct stream *stream, const char *text)
{
    stream_finish(stream);
    stream->reset = text;
}

void stream_finish(struct stream *stream)
{
    stream_take(stream, buffer_used(&stream->in));
    stream->owner = NULL;
    stream->is_finished = true;
    stream->out_eof = true;
}
