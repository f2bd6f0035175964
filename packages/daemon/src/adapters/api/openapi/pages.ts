/** The documents of the API, for programs and for people. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { Page, PageReply } from "../http/pages.ts";
import type { Route } from "../http/router.ts";
import { V1ALPHA1 } from "../http/v1alpha1-routes.ts";
import { docsPages } from "./docs-pages.ts";
import { openapiOf } from "./openapi.ts";
import type { HostBounds } from "./rule-index.ts";
import { swaggerOf } from "./swagger.ts";

export const documentPages = (
  routes: readonly Route[],
  bounds: () => Promise<HostBounds | undefined> = async () => undefined,
): readonly Page[] => [
  document("/openapi.json", async () => openapiOf(routes, await bounds())),
  ...docsPages(),
  document("/openapi/v1alpha1.json", async () =>
    swaggerOf(routes.filter(({ service }) => service === V1ALPHA1)),
  ),
];

/** Made when it is first asked for. */
const document = (path: string, make: () => Promise<JsonObject>): Page => {
  let body: string | undefined;
  const serve = async (): Promise<PageReply> => {
    body ??= JSON.stringify(await make(), undefined, 2);
    return { contentType: "application/json", body };
  };
  return { path, access: { kind: "public", serve } };
};
