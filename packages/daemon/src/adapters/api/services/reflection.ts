/** gRPC server reflection from the descriptors that the code carries. */
import {
  type DescFile,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { REFLECTION_VERSIONS, reflectionSchema } from "../schema/reflection.ts";
import type { BoundService } from "../service.ts";
import { DescriptorIndex } from "./descriptor-index.ts";

/** Both versions of the service, about `services` and themselves. */
export const reflectionServices = (services: readonly BoundService[]): readonly BoundService[] => {
  const schemas = REFLECTION_VERSIONS.map(reflectionSchema);
  const described = [...services.map(({ desc }) => desc), ...schemas.map(({ service }) => service)];
  const index = new DescriptorIndex(described.map(({ file }) => file));
  const names = described.map(({ typeName }) => typeName).sort();
  return schemas.map(({ service, request, response }) => ({
    desc: service,
    methods: service.methods.map((desc) => ({
      kind: "bidi_streaming",
      desc,
      handler: (requests: AsyncIterable<Message>) => answerAll(requests, { request, response }, index, names),
    })),
  }));
};

interface Messages {
  readonly request: DescMessage;
  readonly response: DescMessage;
}

async function* answerAll(
  requests: AsyncIterable<Message>,
  messages: Messages,
  index: DescriptorIndex,
  names: readonly string[],
): AsyncGenerator<Message, void> {
  // As grpc-go: a file goes with all it imports, each once per stream
  const sent = new Set<DescFile>();
  for await (const message of requests) {
    const request = toJson(messages.request, message) as JsonObject;
    const answer = answerTo(request, index, names, sent);
    const host = request["host"] ?? "";
    yield fromJson(messages.response, { validHost: host, originalRequest: request, ...answer });
  }
}

const answerTo = (
  request: JsonObject,
  index: DescriptorIndex,
  names: readonly string[],
  sent: Set<DescFile>,
): JsonObject => {
  const { fileByFilename, fileContainingSymbol, fileContainingExtension, allExtensionNumbersOfType } =
    request;
  if (request["listServices"] !== undefined) {
    return { listServicesResponse: { service: names.map((name) => ({ name })) } };
  }
  if (typeof fileByFilename === "string") {
    return filesAnswer(index.file(fileByFilename), `file ${fileByFilename}`, index, sent);
  }
  if (typeof fileContainingSymbol === "string") {
    const file = index.fileOfSymbol(fileContainingSymbol);
    return filesAnswer(file, `symbol ${fileContainingSymbol}`, index, sent);
  }
  if (isObject(fileContainingExtension)) {
    const type = String(fileContainingExtension["containingType"] ?? "");
    const number = Number(fileContainingExtension["extensionNumber"] ?? 0);
    return filesAnswer(index.fileOfExtension(type, number), `extension ${number} of ${type}`, index, sent);
  }
  if (typeof allExtensionNumbersOfType === "string") {
    const numbers = index.extensionNumbers(allExtensionNumbersOfType);
    if (numbers === undefined) return notFoundAnswer(`type ${allExtensionNumbersOfType}`);
    const extensionNumber = [...numbers];
    return { allExtensionNumbersResponse: { baseTypeName: allExtensionNumbersOfType, extensionNumber } };
  }
  return errorAnswer(status.INVALID_ARGUMENT, "the request asks for nothing this server knows");
};

const filesAnswer = (
  file: DescFile | undefined,
  what: string,
  index: DescriptorIndex,
  sent: Set<DescFile>,
): JsonObject => {
  if (file === undefined) return notFoundAnswer(what);
  const files: DescFile[] = [file];
  sent.add(file);
  for (const next of files) {
    for (const dependency of next.dependencies) {
      if (sent.has(dependency)) continue;
      sent.add(dependency);
      files.push(dependency);
    }
  }
  const fileDescriptorProto = files.map((each) => Buffer.from(index.encoded(each)).toString("base64"));
  return { fileDescriptorResponse: { fileDescriptorProto } };
};

const notFoundAnswer = (what: string): JsonObject => errorAnswer(status.NOT_FOUND, `${what} not found`);

const errorAnswer = (code: status, errorMessage: string): JsonObject => ({
  errorResponse: { errorCode: code, errorMessage },
});

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
