/** The gRPC health checking protocol (grpc/grpc, doc/health-checking.md). */
import { describe } from "./describe.ts";

const file = describe({
  name: "grpc/health/v1/health.proto",
  package: "grpc.health.v1",
  messages: {
    HealthCheckRequest: ["1 string service"],
    HealthCheckResponse: ["1 enum .grpc.health.v1.HealthCheckResponse.ServingStatus status"],
  },
  enums: { "HealthCheckResponse.ServingStatus": ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] },
  services: {
    Health: [
      "Check HealthCheckRequest HealthCheckResponse",
      "Watch HealthCheckRequest stream:HealthCheckResponse",
    ],
  },
});

export const healthService = file.service("grpc.health.v1.Health");
export const healthCheckRequest = file.message("grpc.health.v1.HealthCheckRequest");
export const healthCheckResponse = file.message("grpc.health.v1.HealthCheckResponse");
