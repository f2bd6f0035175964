/** Where a microVM's time went, what happened to it, and why it is not as it should be: as text. Pure. */
import { type events, ext, timestampDate } from "@flintlock/client";
import { adviceFor } from "./advice.ts";
import { reasonOf, typeOf } from "./event-view.ts";
import { nameOf, namespaceOf, stateName, stateOf, uidOf } from "./microvm-view.ts";
import type { Palette } from "./palette.ts";
import { printable } from "./printable.ts";

export interface Evidence {
  readonly vm: ext.MicroVM;
  /** Oldest first */
  readonly events: readonly events.Event[];
  /** The last lines of the guest's console and of the VMM, each oldest first */
  readonly console: string;
  readonly vmm: string;
}

const MAX_EVENTS = 20;
const BAR_WIDTH = 40;

export const explanation = (evidence: Evidence, palette: Palette): string =>
  [
    header(evidence.vm, palette),
    timeline(evidence.vm, palette),
    story(evidence, palette),
    trouble(evidence, palette),
  ]
    .filter((part) => part.length > 0)
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");

const header = (vm: ext.MicroVM, palette: Palette): readonly string[] => {
  const { desiredState: wish } = vm;
  const isAsWanted = wish === vm.state || wish === ext.State.STATE_UNSPECIFIED;
  const { provider = "" } = vm.microvm?.spec ?? {};
  return [
    `${palette.bold(printable(`${namespaceOf(vm)}/${nameOf(vm)}`))}  ${stateOf(vm)}${isAsWanted ? "" : `, wanted ${stateName(wish)}`}  ${palette.dim(uidOf(vm))}`,
    `provider  ${printable(provider)}${vm.providerReason === "" ? "" : `: ${printable(vm.providerReason)}`}`,
    ...awaited(vm),
    ...expiry(vm),
    ...(vm.restarts > 0 ? [`restarts  ${vm.restarts} in a row, each after a run of less than a minute`] : []),
  ];
};

/** What a microVM on its way still has to come to. */
const awaited = ({ state, readyWhen, conditionsMet }: ext.MicroVM): readonly string[] => {
  if (readyWhen === undefined || state !== ext.State.PENDING) return [];
  const met = new Set(conditionsMet.map(({ condition }) => condition));
  const left = readyWhen.conditions.filter((condition) => !met.has(condition));
  return left.length === 0 ? [] : [`awaits    ${left.map(printable).join(", ")}`];
};

const { DELETE, STOP } = ext.Expiry_Action;

const expiry = ({ expiry: wish, expired: past }: ext.MicroVM): readonly string[] => {
  const { at, idleSeconds = 0, action } = wish ?? {};
  const verb = (byDefault: ext.Expiry_Action): string =>
    (action || byDefault) === DELETE ? "deleted" : "stopped";
  return [
    ...(at === undefined ? [] : [`expires   ${timestampDate(at).toISOString()}, then it is ${verb(DELETE)}`]),
    ...(idleSeconds === 0 ? [] : [`idle      for ${idleSeconds} s, then it is ${verb(STOP)}`]),
    ...(past?.at === undefined
      ? []
      : [
          `expired   ${timestampDate(past.at).toISOString()}, by its ${past.cause === "ttl" ? "time to live" : "idle time"}`,
        ]),
  ];
};

/** A bar for each step, which begins where the one before it ended. */
const timeline = ({ timings }: ext.MicroVM, palette: Palette): readonly string[] => {
  const total = timings.reduce((sum, { ms }) => sum + ms, 0);
  if (total <= 0) return [];
  const width = Math.max(...timings.map(({ step }) => step.length));
  let passed = 0;
  const rows = timings.map(({ step, ms }) => {
    const from = Math.min(BAR_WIDTH - 1, Math.floor((passed / total) * BAR_WIDTH));
    passed += ms;
    const length = Math.max(1, Math.round((passed / total) * BAR_WIDTH) - from);
    const bar = `${" ".repeat(from)}${"=".repeat(length)}`;
    return `  ${printable(step).padEnd(width)}  ${msText(ms).padStart(9)}  ${palette.green(bar)}`;
  });
  return [palette.bold(`the last start that came up took ${msText(total)}`), ...rows];
};

const story = ({ vm, events }: Evidence, palette: Palette): readonly string[] => {
  if (events.length === 0) return [];
  const start = millis(vm.microvm?.spec?.createdAt);
  const left = events.length - MAX_EVENTS;
  return [
    palette.bold("what happened, in seconds since its creation"),
    ...(left > 0 ? [palette.dim(`  ${left} earlier: flintlock events --filter uid=${uidOf(vm)}`)] : []),
    ...events.slice(-MAX_EVENTS).map((event) => {
      const seconds = ((millis(event.at) - start) / 1000).toFixed(3);
      return `  ${seconds.padStart(10)}  ${typeOf(event).padEnd(14)}  ${printable(reasonOf(event))}`.trimEnd();
    }),
  ];
};

const trouble = ({ vm, console, vmm }: Evidence, palette: Palette): readonly string[] => {
  const advice = adviceFor(vm);
  if (advice === undefined) return [];
  const { failure, exit } = vm;
  return [
    palette.bold(palette.red("what is wrong")),
    ...(failure === undefined ? [] : [`  step      ${printable(failure.step)}, ${printable(failure.code)}`]),
    ...(failure === undefined ? [] : [`  cause     ${printable(failure.message)}`]),
    ...(exit === undefined ? [] : [`  exit      ${exit.code ?? "no code"}, ${printable(exit.reason)}`]),
    ...(vm.reason === "" ? [] : [`  reason    ${printable(vm.reason)}`]),
    ...lastWords("the guest's last words", console),
    ...lastWords("the VMM's last words", vmm),
    `${palette.bold("try:")} ${printable(advice)}`,
  ];
};

const lastWords = (title: string, words: string): readonly string[] =>
  words === "" ? [] : [`  ${title}`, ...words.split("\n").map((line) => `    ${printable(line)}`)];

const msText = (ms: number): string =>
  ms < 10_000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;

const millis = (at: events.Event["at"]): number => (at === undefined ? 0 : timestampDate(at).getTime());
