/** What travels beside the messages: gRPC metadata, and the HTTP headers the gateway makes of it. */

/** Names in lower case; a value that came several times is joined by ", ". */
export type RequestMetadata = ReadonlyMap<string, string>;

/** A handler's own response headers; the gateway sends each as `Grpc-Metadata-<Name>`. */
export class ResponseMetadata {
  readonly #values = new Map<string, string>();

  /** `name` in lower case. To be called before the first reply. */
  set(name: string, value: string): void {
    this.#values.set(name, value);
  }

  entries(): Iterable<readonly [string, string]> {
    return this.#values;
  }
}
