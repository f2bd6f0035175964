/** An OpenTelemetry collector for tests: OTLP over HTTP, as JSON, on a loopback port. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root */
  readonly parentSpanId: string;
  readonly name: string;
  /** 1 internal, 2 server */
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly isError: boolean;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly service: string;
}

export interface Collector extends AsyncDisposable {
  /** Base URL, for --otlp-endpoint */
  readonly endpoint: string;
  readonly spans: readonly CollectedSpan[];
  readonly requests: { count: number; headers: IncomingHttpHeaders };
  /** Resolves with what `find` finds among the spans, once it does. */
  until<T>(find: (spans: readonly CollectedSpan[]) => T | undefined, what: string): Promise<T>;
}

export type Manner = "takes" | "refuses" | "hangs";

export const startCollector = async (manner: Manner = "takes"): Promise<Collector> => {
  const spans: CollectedSpan[] = [];
  const requests: Collector["requests"] = { count: 0, headers: {} };
  const server = createServer((request, response) => {
    requests.count++;
    requests.headers = request.headers;
    if (manner === "hangs") return;
    void bodyOf(request).then(
      (body) => {
        const isRight = request.method === "POST" && request.url === "/v1/traces" && manner === "takes";
        if (isRight) spans.push(...decode(JSON.parse(body)));
        response.writeHead(isRight ? 200 : 400, { "Content-Type": "application/json" }).end("{}");
      },
      () => response.destroy(), // The client went.
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    until: async (find, what) => {
      const deadline = Date.now() + 30_000;
      for (;;) {
        const found = find(spans);
        if (found !== undefined) return found;
        if (Date.now() > deadline) {
          throw new Error(`timed out: ${what}; spans: ${spans.map(({ name }) => name).join(", ")}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string };
}

interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly kind: number;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly status: { readonly code: number };
        readonly attributes: readonly OtlpAttribute[];
      }[];
    }[];
  }[];
}

const decode = ({ resourceSpans }: OtlpRequest): readonly CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId = "", name, kind, ...span }) => ({
        traceId,
        spanId,
        parentSpanId,
        name,
        kind,
        startMs: Number(span.startTimeUnixNano) / 1e6,
        endMs: Number(span.endTimeUnixNano) / 1e6,
        isError: span.status.code === 2,
        attributes: attributesOf(span.attributes),
        service: String(attributesOf(resource.attributes)["service.name"]),
      })),
    ),
  );

const attributesOf = (attributes: readonly OtlpAttribute[]): Readonly<Record<string, string | number>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));
