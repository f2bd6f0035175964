/** Routes from the `google.api.http` options of the bound services. */
import { getOption, type JsonValue } from "@bufbuild/protobuf";
import { type HttpRule, http } from "@flintlock/api";
import type { BoundMethod, BoundService } from "../service.ts";
import { matchPath, type PathParams, type PathTemplate, parsePathTemplate } from "./path-template.ts";

export interface Route {
  readonly verb: string;
  /** As declared */
  readonly path: string;
  readonly template: PathTemplate;
  /** `*`, a field's name, or empty = no body */
  readonly body: string;
  /** Reads a body even so: what it gives of the JSON is the whole request */
  readonly bodyAs?: (json: JsonValue) => JsonValue;
  readonly service: string;
  readonly method: BoundMethod;
  /** Taken only `when`, and then with NOT_FOUND as a pass to the next route that fits */
  readonly yields?: { readonly when: (params: PathParams) => boolean };
}

export interface Match {
  readonly route: Route;
  readonly params: PathParams;
}

export type Routing =
  | { readonly kind: "found"; readonly matches: readonly Match[] }
  /** `routes` take the path, with other verbs */
  | { readonly kind: "method_not_allowed"; readonly routes: readonly Route[] }
  | { readonly kind: "not_found" };

export type Router = (verb: string, components: readonly string[]) => Routing;

export const createRouter = (routes: readonly Route[]): Router => {
  const ordered = [...routes].sort((a, b) => rank(a) - rank(b));
  return (verb, components) => {
    const matches: Match[] = [];
    const others: Route[] = [];
    for (const route of ordered) {
      const params = matchPath(route.template, components);
      if (params === undefined) continue;
      if (route.verb !== verb) others.push(route);
      else if (route.yields?.when(params) !== false) matches.push({ route, params });
    }
    if (matches.length > 0) return { kind: "found", matches };
    return others.length > 0 ? { kind: "method_not_allowed", routes: others } : { kind: "not_found" };
  };
};

/** Templates with a verb first (`*` would take the verb too), then the more literal; those that yield before. */
const rank = ({ template, yields }: Route): number => {
  const wildcards = template.segments.filter((segment) => segment.startsWith("*")).length;
  return (template.verb === "" ? VERB_RANK : 0) + wildcards * 2 + (yields === undefined ? 1 : 0);
};
const VERB_RANK = 1_000;

/**
 * All routes of a service: declared ones, and `POST /package.Service/Method` for methods without any. A stream of
 * requests has no form in HTTP/1.1 and JSON: such methods have no route.
 */
export const routesOf = ({ desc, methods }: BoundService): readonly Route[] =>
  methods.flatMap((method) => {
    const service = desc.typeName;
    if (method.kind === "client_streaming" || method.kind === "bidi_streaming") return [];
    const rule = getOption(method.desc, http);
    const bindings = [rule, ...rule.additionalBindings].flatMap(bindingOf);
    if (bindings.length === 0) {
      const path = `/${service}/${method.desc.name}`;
      return [{ verb: "POST", path, template: parsePathTemplate(path), body: "*", service, method }];
    }
    return bindings.map(({ verb, path, body }) => ({
      verb,
      path,
      template: parsePathTemplate(path),
      body,
      service,
      method,
    }));
  });

const bindingOf = ({ pattern, body }: HttpRule): readonly { verb: string; path: string; body: string }[] => {
  if (pattern.case === undefined) return [];
  if (pattern.case === "custom") return [{ verb: pattern.value.kind, path: pattern.value.path, body }];
  return [{ verb: pattern.case.toUpperCase(), path: pattern.value, body }];
};
