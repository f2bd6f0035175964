/**
 * Path templates of `google.api.http` (google/api/http.proto, "Path template syntax"):
 *
 *     Template = "/" Segments [ ":" LITERAL ]
 *     Segment  = "*" | "**" | LITERAL | "{" field.path [ "=" Segments ] "}"
 */
interface Variable {
  readonly fieldPath: string;
  /** Index of its first segment, and how many template segments it spans */
  readonly start: number;
  readonly length: number;
}

export interface PathTemplate {
  /** Literals, `*` or `**` (last only) */
  readonly segments: readonly string[];
  readonly variables: readonly Variable[];
  /** After the last colon; empty = none */
  readonly verb: string;
}

/** Parameters by field path, already decoded. */
export type PathParams = Readonly<Record<string, string>>;

const VARIABLE = /^\{([A-Za-z_][\w.]*)(?:=(.+))?\}$/;
const LITERAL = /^[A-Za-z0-9._~-]+$/;

/** @throws Error – a template of ours that is not one: found when the daemon starts, by any test */
export const parsePathTemplate = (template: string): PathTemplate => {
  const [, path, verb = ""] = /^\/(.*?)(?::([\w.~-]+))?$/.exec(template) ?? [];
  if (path === undefined) throw new Error(`path template ${template}: must start with "/"`);
  const segments: string[] = [];
  const variables: Variable[] = [];
  for (const part of splitOutsideBraces(path)) {
    const [, fieldPath, pattern = "*"] = VARIABLE.exec(part) ?? [];
    const start = segments.length;
    segments.push(...(fieldPath === undefined ? [part] : pattern.split("/")));
    if (fieldPath !== undefined) variables.push({ fieldPath, start, length: segments.length - start });
  }
  for (const [at, segment] of segments.entries()) {
    const isValid =
      segment === "*" || LITERAL.test(segment) || (segment === "**" && at === segments.length - 1);
    if (!isValid) throw new Error(`path template ${template}: "${segment}" is not a segment`);
  }
  return { segments, variables, verb };
};

const splitOutsideBraces = (path: string): readonly string[] => path.split(/\/(?![^{]*\})/);

/**
 * The parameters when `components` (a decoded path, split at slashes) fit, else undefined. As in grpc-gateway, `*`
 * also takes an empty component and a verb is the end of the last one.
 */
export const matchPath = (template: PathTemplate, components: readonly string[]): PathParams | undefined => {
  const path = withoutVerb(template.verb, components);
  if (path === undefined) return undefined;
  const { segments } = template;
  const hasRest = segments.at(-1) === "**";
  const fits = hasRest ? path.length >= segments.length - 1 : path.length === segments.length;
  if (!fits) return undefined;
  const isMatch = segments.every(
    (segment, at) => segment === "*" || segment === "**" || segment === path[at],
  );
  if (!isMatch) return undefined;
  const params: Record<string, string> = {};
  for (const { fieldPath, start, length } of template.variables) {
    const end = hasRest && start + length === segments.length ? path.length : start + length;
    params[fieldPath] = path.slice(start, end).join("/");
  }
  return params;
};

const withoutVerb = (verb: string, components: readonly string[]): readonly string[] | undefined => {
  if (verb === "") return components;
  const last = components.at(-1) ?? "";
  // A component that is nothing but the verb is not one
  if (!last.endsWith(`:${verb}`) || last.length === verb.length + 1) return undefined;
  return [...components.slice(0, -1), last.slice(0, -verb.length - 1)];
};
