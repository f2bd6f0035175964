/** Counts the messages of every call, of either transport, where they meet their handler. */
import type { Message } from "@bufbuild/protobuf";
import type { BoundMethod, BoundService, Call } from "./service.ts";

/** Who counts; it never throws. `path` is `/package.Service/Method`. */
export interface MessageMeter {
  describe(methods: readonly { readonly path: string; readonly kind: BoundMethod["kind"] }[]): void;
  received(path: string): void;
  sent(path: string): void;
}

/** The same services, their messages counted. */
export const metered = (services: readonly BoundService[], meter: MessageMeter): readonly BoundService[] => {
  const pathOf = ({ desc }: BoundService, method: BoundMethod): string =>
    `/${desc.typeName}/${method.desc.name}`;
  meter.describe(
    services.flatMap((service) =>
      service.methods.map((method) => ({ path: pathOf(service, method), kind: method.kind })),
    ),
  );
  return services.map((service) => ({
    desc: service.desc,
    methods: service.methods.map((method) => meteredMethod(method, pathOf(service, method), meter)),
  }));
};

const meteredMethod = (method: BoundMethod, path: string, meter: MessageMeter): BoundMethod => {
  const received = (): void => meter.received(path);
  const sent = (): void => meter.sent(path);
  switch (method.kind) {
    case "unary":
      return {
        ...method,
        handler: async (request: Message, call: Call) => {
          received();
          const reply = await method.handler(request, call);
          sent();
          return reply;
        },
      };
    case "server_streaming":
      return {
        ...method,
        handler: (request: Message, call: Call) => {
          received();
          return each(method.handler(request, call), sent);
        },
      };
    case "client_streaming":
      return {
        ...method,
        handler: async (requests: AsyncIterable<Message>, call: Call) => {
          const reply = await method.handler(each(requests, received), call);
          sent();
          return reply;
        },
      };
    case "bidi_streaming":
      return {
        ...method,
        handler: (requests: AsyncIterable<Message>, call: Call) =>
          each(method.handler(each(requests, received), call), sent),
      };
  }
};

async function* each<T>(items: AsyncIterable<T>, count: () => void): AsyncGenerator<T, void> {
  for await (const item of items) {
    count();
    yield item;
  }
}
