/** What is asked over HTTP. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { HttpCase } from "./case.ts";
import { full, spec } from "./specs.ts";

const PATH = "/v1alpha1/microvm";
const STREAM = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream";
const UNKNOWN_UID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

type Options = Omit<HttpCase, "name" | "transport" | "request">;

const http = (name: string, request: HttpCase["request"], more: Options = {}): HttpCase => ({
  name: `http ${name}`,
  transport: "http",
  request,
  ...more,
});

const post = (name: string, body: JsonValue, more: Options = {}): HttpCase =>
  http(`create: ${name}`, `POST ${PATH}`, { body, ...more });

const vm = (name: string, changes: JsonObject = {}): JsonObject => spec(`h-${name}`, changes);

const snakeCase = {
  id: "h-snake",
  namespace: "compat",
  memory_in_mb: 2048,
  kernel: { image: "registry.test/kernel:1", filename: "boot/vmlinux", add_network_config: true },
  root_volume: { id: "root", is_read_only: true, source: { container_source: "registry.test/os:1" } },
  interfaces: [{ device_id: "eth1", type: "TAP" }],
  allow_guest_agent: true,
};

const CREATES: readonly HttpCase[] = [
  post("minimal", vm("minimal")),
  post("every field", full("h-full")),
  post("snake_case", snakeCase),
  post("wrapped as in gRPC", { microvm: vm("wrapped") }),
  post("an empty object", {}),
  http("create: no body", `POST ${PATH}`),
  post("null", "null"),
  post("a list", "[]"),
  post("no JSON", "{"),
  post("more after the JSON", `${JSON.stringify(vm("trailing"))} x`),
  post("a field twice", '{"id":"h-twice","id":"h-twice-again"}'),
  post("both spellings of a field", { ...vm("both"), memoryInMb: 2048, memory_in_mb: 4096 }),
  post("unknown fields", { ...vm("unknown"), nonsense: { deep: [1] } }),
  post("nulls", { ...vm("nulls"), labels: null, vcpu: null, initrd: null, additionalVolumes: null }),
  post("a number as text", { ...vm("text"), vcpu: "2" }),
  post("a number with a fraction of zero", JSON.stringify(vm("zero", { vcpu: 3 })).replace(":3", ":3.0")),
  post("a number with a fraction", { ...vm("fraction"), vcpu: 2.5 }),
  post("a number too large for the field", { ...vm("large"), vcpu: 4294967296 }),
  post("a word for a number", { ...vm("word"), vcpu: "two" }),
  post("a number for a word", { ...vm("number"), namespace: 1 }),
  post("a word for a message", { ...vm("message"), kernel: "registry.test/kernel:1" }),
  post("a word for a list", { ...vm("list"), interfaces: "eth1" }),
  post("a number for an enum", { ...vm("enum-number"), interfaces: [{ deviceId: "eth1", type: 1 }] }),
  post("an unknown name for an enum", {
    ...vm("enum-name"),
    interfaces: [{ deviceId: "eth1", type: "BOGUS" }],
  }),
  post("a bad time", { ...vm("time"), createdAt: "yesterday" }),
  post("no id", vm("no-id", { id: "" })),
  post("macvtap", vm("macvtap", { interfaces: [{ deviceId: "eth1", type: "MACVTAP" }] })),
  http("create: not UTF-8", `POST ${PATH}`, { hex: "7b226964223a22ff227d" }),
  post("5 MiB", vm("large-body"), { padding: 5 * 1024 * 1024 }),
  post("gzip", vm("gzip"), { isGzipped: true, headers: { "Content-Encoding": "gzip" } }),
  post("Content-Type text/plain", vm("text-plain"), { headers: { "Content-Type": "text/plain" } }),
  http("create: with a query", `POST ${PATH}?metadata=x&microvm.id=y`, { body: vm("query") }),
  http("create: a slash at the end", `POST ${PATH}/`, { body: vm("slash") }),
];

const OTHERS: readonly HttpCase[] = [
  http("get: a uid", `GET ${PATH}/{{http create: minimal}}`, { isMoving: true }),
  http("get: an unknown uid", `GET ${PATH}/${UNKNOWN_UID}`),
  http("list: a namespace", `GET ${PATH}/stream`, { isMoving: true }),
  http("list: a namespace and a name", `GET ${PATH}/compat?name=h-full`, { isMoving: true }),
  http("list: an unknown query", `GET ${PATH}/nobody?nonsense=1&namespace=compat`),
  http("list: an unknown namespace", `GET ${PATH}/nobody`),
  http("list: an encoded slash", `GET ${PATH}/a%2Fb`),
  http("list: a bad escape", `GET ${PATH}/%zz`),
  http("list: too deep", `GET ${PATH}/a/b`),
  http("list: with a verb", `GET ${PATH}/nobody:verb`),
  http("list: with a body", `GET ${PATH}/nobody`, { body: {} }),
  http("list: gzip wanted", `GET ${PATH}/nobody`, { headers: { "Accept-Encoding": "gzip" } }),
  http("list: credentials", `GET ${PATH}/nobody`, { headers: { Authorization: "Basic eA==" } }),
  http("list: metadata", `GET ${PATH}/nobody`, { headers: { "Grpc-Metadata-Any": "1" } }),
  http("list: a timeout", `GET ${PATH}/nobody`, { headers: { "Grpc-Timeout": "5S" } }),
  http("list: a bad timeout", `GET ${PATH}/nobody`, { headers: { "Grpc-Timeout": "5" } }),
  http("list: another site", `GET ${PATH}/nobody`, { headers: { Origin: "http://example.test" } }),
  http("list: no namespace", `GET ${PATH}`),
  http("stream", `POST ${STREAM}`, { body: { namespace: "stream" }, isMoving: true }),
  http("stream: no namespace", `POST ${STREAM}`, { body: {} }),
  http("stream: no body", `POST ${STREAM}`),
  http("stream: GET", `GET ${STREAM}`),
  http("stream: an unknown namespace", `POST ${STREAM}`, { body: { namespace: "nobody" } }),
  http("delete: an unknown uid", `DELETE ${PATH}/${UNKNOWN_UID}`),
  http("delete: no uid", `DELETE ${PATH}`),
  http("delete: a slash at the end", `DELETE ${PATH}/`),
  http("delete", `DELETE ${PATH}/{{http create: minimal}}`),
  http("PUT", `PUT ${PATH}/compat/x`, { body: {} }),
  http("PATCH", `PATCH ${PATH}/x`, { body: {} }),
  http("HEAD", `HEAD ${PATH}/nobody`),
  http("OPTIONS", `OPTIONS ${PATH}/nobody`),
  http("unknown path", "GET /v2/microvm"),
  http("root", "GET /"),
  http("unary method by name", "POST /microvm.services.api.v1alpha1.MicroVM/ListMicroVMs", { body: {} }),
  http("method override", `POST ${PATH}/${UNKNOWN_UID}`, {
    body: "a=b",
    headers: { "Content-Type": "application/x-www-form-urlencoded", "X-HTTP-Method-Override": "GET" },
  }),
  http("method override without a form", `POST ${PATH}/${UNKNOWN_UID}`, {
    body: "{}",
    headers: { "X-HTTP-Method-Override": "GET" },
  }),
];

export const HTTP_CASES: readonly HttpCase[] = [
  ...CREATES,
  http("create: for the stream", `POST ${PATH}`, { body: { ...vm("stream"), namespace: "stream" } }),
  ...OTHERS,
];
