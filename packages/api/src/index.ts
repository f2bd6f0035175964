/**
 * Generated from `proto/` and `proto-legacy/` by `npm run gen`; this list is the only text written by hand. The legacy
 * files declare the same names as today's: one process may use both, one server or registry may not.
 */
export { COMMENTS } from "./gen/comments.ts";
export * as events from "./gen/flintlock/v1/events_pb.ts";
export * from "./gen/flintlock/v1/host_pb.ts";
export * from "./gen/flintlock/v1/images_pb.ts";
export * as ext from "./gen/flintlock/v1/microvms_pb.ts";
export * from "./gen/google/api/annotations_pb.ts";
export * from "./gen/google/api/http_pb.ts";
export * as wire from "./gen/services/microvm/v1alpha1/microvms_pb.ts";
export * as guestExec from "./gen/services/microvmexec/v1alpha1/microvmexec_pb.ts";
export * as sshProxy from "./gen/services/microvmsshproxy/v1alpha1/microvmsshproxy_pb.ts";
export * as types from "./gen/types/microvm_pb.ts";
export * as legacyWire from "./gen-legacy/services/microvm/v1alpha1/microvms_pb.ts";
export * as legacyTypes from "./gen-legacy/types/microvm_pb.ts";
