/** What a scraper gets, over any listener that speaks HTTP. */
import type { MicroVM, UseCases } from "@flintlock/core";
import { CONTENT_TYPE, renderFamilies } from "./exposition.ts";
import { machineFamilies } from "./machine-families.ts";
import { microvmFamilies } from "./microvm-families.ts";

/** What a page needs of a call; the API's `Call` has it. */
export interface ScrapeCall {
  readonly useCases: Pick<UseCases, "microvms">;
  readonly signal: AbortSignal;
}

type Params = Readonly<Record<string, string>>;

interface ScrapePage {
  readonly path: string;
  readonly access: {
    readonly kind: "caller";
    readonly serve: (
      params: Params,
      call: ScrapeCall,
    ) => Promise<{ readonly contentType: string; readonly body: string }>;
  };
}

/** `/metrics`: the host-wide numbers, and those of the microVMs that the caller may see. */
export const renderMetrics = async (
  metrics: { text(): Promise<string> },
  { useCases, signal }: ScrapeCall,
): Promise<string> => {
  const [text, families] = await Promise.all([metrics.text(), microvmFamilies(useCases, signal)]);
  return `${text.trimEnd()}\n${renderFamilies(families)}`;
};

export const metricsPages = (metrics: { text(): Promise<string> }): readonly ScrapePage[] => [
  page("/metrics", (_params, call) => renderMetrics(metrics, call)),
  // COMPAT: upstream's routes of `flintlock-metrics serve`. It leaves a uid it does not know an empty 500.
  page("/machine", (_params, call) => machines(call, "", undefined)),
  page("/machine/{namespace}", ({ namespace = "" }, call) => machines(call, namespace, undefined)),
  page("/machine/{namespace}/{name}", ({ namespace = "", name }, call) => machines(call, namespace, name)),
  page("/machine/uid/{uid}", async ({ uid = "" }, call) =>
    render([await call.useCases.microvms.getByUid(uid)], call),
  ),
];

const page = (path: string, body: (params: Params, call: ScrapeCall) => Promise<string>): ScrapePage => ({
  path,
  access: {
    kind: "caller",
    serve: async (params, call) => ({ contentType: CONTENT_TYPE, body: await body(params, call) }),
  },
});

const machines = async (call: ScrapeCall, namespace: string, name: string | undefined): Promise<string> =>
  render(await call.useCases.microvms.list({ namespace, name, labels: {} }), call);

/** What the caller may see was decided by the list; only uids of it are measured. */
const render = async (vms: readonly MicroVM[], { useCases, signal }: ScrapeCall): Promise<string> =>
  renderFamilies(
    machineFamilies(
      await useCases.microvms.measure(
        vms.map(({ uid }) => uid),
        "all",
        signal,
      ),
    ),
  );
