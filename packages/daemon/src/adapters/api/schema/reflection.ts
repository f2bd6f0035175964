/** The gRPC server reflection protocol (grpc/grpc, doc/server-reflection.md), in both published versions. */
import { describe } from "./describe.ts";

export const REFLECTION_VERSIONS = ["v1", "v1alpha"] as const;

/** The two versions differ in their package alone; old grpcurl knows only v1alpha. */
export const reflectionSchema = (version: (typeof REFLECTION_VERSIONS)[number]) => {
  const name = `grpc.reflection.${version}`;
  const file = describe({
    name: `grpc/reflection/${version}/reflection.proto`,
    package: name,
    messages: {
      ServerReflectionRequest: [
        "1 string host",
        "3 string file_by_filename in message_request",
        "4 string file_containing_symbol in message_request",
        `5 .${name}.ExtensionRequest file_containing_extension in message_request`,
        "6 string all_extension_numbers_of_type in message_request",
        "7 string list_services in message_request",
      ],
      ExtensionRequest: ["1 string containing_type", "2 int32 extension_number"],
      ServerReflectionResponse: [
        "1 string valid_host",
        `2 .${name}.ServerReflectionRequest original_request`,
        `4 .${name}.FileDescriptorResponse file_descriptor_response in message_response`,
        `5 .${name}.ExtensionNumberResponse all_extension_numbers_response in message_response`,
        `6 .${name}.ListServiceResponse list_services_response in message_response`,
        `7 .${name}.ErrorResponse error_response in message_response`,
      ],
      FileDescriptorResponse: ["1 repeated bytes file_descriptor_proto"],
      ExtensionNumberResponse: ["1 string base_type_name", "2 repeated int32 extension_number"],
      ListServiceResponse: [`1 repeated .${name}.ServiceResponse service`],
      ServiceResponse: ["1 string name"],
      ErrorResponse: ["1 int32 error_code", "2 string error_message"],
    },
    services: {
      ServerReflection: [
        "ServerReflectionInfo stream:ServerReflectionRequest stream:ServerReflectionResponse",
      ],
    },
  });
  return {
    service: file.service(`${name}.ServerReflection`),
    request: file.message(`${name}.ServerReflectionRequest`),
    response: file.message(`${name}.ServerReflectionResponse`),
  };
};
