/** One request of the comparison, as data, and what an endpoint answered to it. Both are what the recordings hold. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** In paths, messages and bodies `{{name}}` is the uid that the case of that name created. */
export interface GrpcCase {
  readonly name: string;
  readonly transport: "grpc";
  /** `package.Service/Method` */
  readonly method: string;
  /** The request as protojson; `hex` sends these bytes instead, `padding` a spec with that many bytes of metadata */
  readonly message?: JsonObject;
  readonly hex?: string;
  readonly padding?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly isGzipped?: boolean;
  /** Of the first published API, whose names mean other messages */
  readonly isLegacy?: boolean;
  /** The microVM may have moved on by now: its version, status and time of change are not compared */
  readonly isMoving?: boolean;
}

export interface HttpCase {
  readonly name: string;
  readonly transport: "http";
  /** Method and path with query */
  readonly request: `${string} /${string}`;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is sent as it is */
  readonly body?: JsonValue;
  readonly hex?: string;
  readonly padding?: number;
  readonly isGzipped?: boolean;
  readonly isMoving?: boolean;
}

export type Case = GrpcCase | HttpCase;

/** Names of parts that an answer lacks are absent. Uids, times and what moves are replaced by words in `<>`. */
export interface Answer {
  /** gRPC: the code's name */
  readonly code?: string;
  /** HTTP */
  readonly status?: number;
  readonly message?: string;
  /** gRPC initial metadata, or HTTP headers, without what the transport itself adds */
  readonly headers?: JsonObject;
  readonly trailers?: JsonObject;
  /** One value, or one per message of a stream; text that is not JSON stays text */
  readonly body?: JsonValue;
}

export interface Endpoints {
  /** `host:port` */
  readonly grpc: string;
  readonly http: string;
}

export interface Observation {
  readonly request: Case;
  readonly answer: Answer;
}
