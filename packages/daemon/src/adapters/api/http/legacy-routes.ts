/**
 * Routes of the first API. Its documents show requests with bodies, and its gateway read none: the rules name no body.
 * Here they are read, as the spec itself, which is what today's route takes, or as the whole request, which is
 * what its own example was. A spec has no field `microvm`, so the two cannot be mistaken. The query is read too,
 * as it was then, and what it says counts.
 */
import type { JsonValue } from "@bufbuild/protobuf";
import type { Route } from "./router.ts";

const WITH_SPEC = new Set(["CreateMicroVM", "UpdateMicroVM"]);
const FIELD = "microvm";

export const legacyRoutes = (routes: readonly Route[]): readonly Route[] =>
  routes.map((route) => (WITH_SPEC.has(route.method.desc.name) ? { ...route, bodyAs: asRequest } : route));

/** Anything but an object stays what it is: the decoder refuses it. */
const asRequest = (body: JsonValue): JsonValue =>
  typeof body !== "object" || body === null || Array.isArray(body) || Object.hasOwn(body, FIELD)
    ? body
    : { [FIELD]: body };
