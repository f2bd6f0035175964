import { chmod, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type TestDescriptor, TestLayout } from "./support/layout.ts";
import { type Behaviour, type RegistryProxy, reply, startProxy } from "./support/proxy.ts";
import { startRegistry, upload } from "./support/registry.ts";
import { missingPrograms } from "./support/requirements.ts";
import { failure, openStore, pullNow, ref } from "./support/store.ts";
import { tarOf } from "./support/tar.ts";
import { openWorkplace, type Workplace } from "./support/workplace.ts";

const missing = missingPrograms("docker-registry", "sh");

describe.skipIf(missing)("logging in to a registry", () => {
  let workplace: Workplace;
  let proxy: RegistryProxy;
  let image: TestDescriptor;
  let files = 0;
  const path = process.env["PATH"] ?? "";
  const fresh = (name: string) => join(workplace.path, `${name}-${files++}`);
  const pull = async (config: unknown) => {
    const dockerConfigPath = fresh("config.json");
    await writeFile(dockerConfigPath, JSON.stringify(config));
    return pullNow(await openStore(fresh("store"), { dockerConfigPath }), ref(`${proxy.host}/private:1`));
  };
  const basic = (user: string) => Buffer.from(user).toString("base64");

  /** A token service at /token; `grant` says who gets one and what the answer looks like. */
  const withTokens =
    (
      grant: (request: Parameters<Behaviour>[0]) => Record<string, unknown> | undefined,
      accept = "t1",
    ): Behaviour =>
    (request, response) => {
      const json = (status: number, value: unknown, headers: Record<string, string> = {}) => {
        reply(response, { status, headers, body: Buffer.from(JSON.stringify(value)) });
        return true;
      };
      if (request.path === "/token") {
        const granted = grant(request);
        return granted === undefined ? json(401, { details: "no" }) : json(200, granted);
      }
      if (request.headers.authorization === `Bearer ${accept}`) return false;
      const realm = `http://${proxy.host}/token`;
      return json(
        401,
        { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] },
        {
          "www-authenticate": `Bearer realm="${realm}",service="test, registry",scope="repository:private:pull"`,
        },
      );
    };

  beforeAll(async () => {
    workplace = await openWorkplace();
    const registry = await startRegistry(workplace);
    proxy = await startProxy(workplace, registry);
    const layout = await TestLayout.create(join(workplace.path, "layout"));
    const layers = ["a", "b", "c"].map((name) => ({
      tar: tarOf({ [name]: name }),
      compression: "gzip" as const,
    }));
    image = await layout.image(layers);
    await upload(layout.path, image, `${registry}/private`, "1");
  });

  afterEach(() => {
    process.env["PATH"] = path;
  });

  afterAll(async () => {
    await workplace[Symbol.asyncDispose]();
  });

  test.each(["token", "access_token"])(
    "an anonymous bearer token arrives as %s and is kept",
    async (field) => {
      proxy.behave(withTokens(() => ({ [field]: "t1", expires_in: 300 })));
      expect(await pull({})).toMatchObject({ digest: image.digest });
      const asked = proxy.requests.filter((request) => request.path === "/token");
      expect(asked).toHaveLength(1);
      expect(asked[0]?.query.get("service")).toBe("test, registry");
      expect(asked[0]?.query.get("scope")).toBe("repository:private:pull");
      expect(asked[0]?.headers.authorization).toBeUndefined();
    },
  );

  test("a name and password go to the token service and not to the registry", async () => {
    proxy.behave(
      withTokens(({ headers }) =>
        headers.authorization === `Basic ${basic("ann:pass:word")}` ? { token: "t1" } : undefined,
      ),
    );
    const auths = { [`https://${proxy.host}/v1/`]: { auth: basic("ann:pass:word") } };
    expect(await pull({ auths })).toMatchObject({ digest: image.digest });
    const others = proxy.requests.filter((request) => request.path !== "/token");
    for (const { headers } of others) expect(headers.authorization ?? "").not.toContain("Basic");
  });

  test("wrong credentials are unauthenticated and the hint says what to do", async () => {
    proxy.behave(withTokens(() => undefined));
    const error = await failure(pull({ auths: { [proxy.host]: { auth: basic("ann:wrong") } } }));
    expect(error.code).toBe("unauthenticated");
    expect(error.hint).toContain(`docker login ${proxy.host}`);
    expect(error.message).not.toContain("wrong");
  });

  test("a token that the registry does not take is renewed once", async () => {
    proxy.behave(withTokens(() => ({ token: "t1" }), "never"));
    expect((await failure(pull({}))).code).toBe("unauthenticated");
    expect(proxy.requests.filter((request) => request.path === "/token")).toHaveLength(1);
  });

  test("a token that expires in the middle is renewed", async () => {
    let tokens = 0;
    let accepted = "t1";
    proxy.behave((request, response, upstream) => {
      if (request.kind === "blobs" && accepted === "t1") accepted = "t2";
      return withTokens(() => ({ token: `t${++tokens}`, expires_in: 300 }), accepted)(
        request,
        response,
        upstream,
      );
    });
    expect(await pull({})).toMatchObject({ digest: image.digest });
    expect(tokens).toBe(2);
  });

  test("an identity token is traded for an access token", async () => {
    proxy.behave(
      withTokens(({ method, body }) => {
        const form = new URLSearchParams(body);
        const isRight = method === "POST" && form.get("grant_type") === "refresh_token";
        return isRight && form.get("refresh_token") === "identity" ? { access_token: "t1" } : undefined;
      }),
    );
    const auths = { [proxy.host]: { auth: "", identitytoken: "identity" } };
    expect(await pull({ auths })).toMatchObject({ digest: image.digest });
  });

  test("a credential helper is asked for the registry", async () => {
    const folder = fresh("bin");
    await mkdir(folder);
    const program = join(folder, "docker-credential-testing");
    await writeFile(
      program,
      [
        "#!/bin/sh",
        "read -r server",
        `[ "$1 $server" = "get ${proxy.host}" ] || { echo "credentials not found in native keychain"; exit 1; }`,
        `printf '{"ServerURL":"%s","Username":"ann","Secret":"helped"}' "$server"`,
      ].join("\n"),
    );
    await chmod(program, 0o755);
    process.env["PATH"] = `${folder}${delimiter}${path}`;
    const grant = withTokens(({ headers }) =>
      headers.authorization === `Basic ${basic("ann:helped")}` ? { token: "t1" } : undefined,
    );
    proxy.behave(grant);
    expect(await pull({ credHelpers: { [proxy.host]: "testing" } })).toMatchObject({ digest: image.digest });
    proxy.behave(grant);
    expect(await pull({ credsStore: "testing" })).toMatchObject({ digest: image.digest });
  });

  test("without the helper's program the registry is tried anonymously", async () => {
    proxy.behave(withTokens(() => ({ token: "t1" })));
    expect(await pull({ credsStore: "absent-for-certain" })).toMatchObject({ digest: image.digest });
    expect(await pull({ credsStore: "../../bin/sh" })).toMatchObject({ digest: image.digest });
  });

  test("a refusal is told apart from a log-in", async () => {
    proxy.behave((_, response) => {
      const body = Buffer.from(JSON.stringify({ errors: [{ code: "DENIED", message: "not\u0007yours" }] }));
      reply(response, { status: 403, headers: {}, body });
      return true;
    });
    const error = await failure(pull({}));
    expect(error.code).toBe("permission_denied");
    expect(error.message).toContain("not yours");
  });
});
