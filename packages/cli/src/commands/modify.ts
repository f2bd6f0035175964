/** `modify`: changes microVMs, and says of each change when it takes effect. */
import { ext } from "@flintlock/client";
import { usageError } from "../cli-error.ts";
import { parseExpiryAction, parseExpirySeconds } from "../expiry-flags.ts";
import { microvmView } from "../microvm-view.ts";
import { parseCount, parseListener, parsePairs, parsePort } from "../parse-flags.ts";
import { concludeTargets, forEachTarget, printsNames, requireTargets } from "../targets.ts";
import { parseBytes, parseMib } from "../units.ts";
import { collect, type Verb } from "../verb.ts";
import { balloonOf, parseRestart } from "../vm-flags.ts";

interface Flags {
  readonly label?: readonly string[];
  readonly removeLabel?: readonly string[];
  readonly restart?: string;
  readonly protect?: boolean;
  readonly cpus?: string;
  readonly memory?: string;
  readonly disk?: readonly string[];
  readonly diskBps?: string;
  readonly diskIops?: string;
  readonly netBps?: string;
  readonly balloon?: string;
  readonly publish?: readonly string[];
  readonly unpublish?: readonly string[];
  readonly ttl?: string | false;
  readonly idle?: string | false;
  readonly expire?: string;
  readonly ifVersion?: string;
  readonly dryRun?: boolean;
}

export const modify: Verb = {
  configure: (command) => {
    command
      .argument("<target...>", "names, uids or unique prefixes of uids")
      .option("-l, --label <K=V>", "add a label, or give it another value", collect)
      .option("--remove-label <K>", "take a label away", collect)
      .option("--restart <policy>", "when the guest ends: no, on-failure[:n], unless-stopped or always")
      .option("--protect", "refuse its deletion")
      .option("--no-protect", "allow it again")
      .option("-c, --cpus <n>", "processors")
      .option("-m, --memory <size>", "memory, e.g. 512M or 2G")
      .option("--disk <[volume=]size>", "grow the root volume, or the one of this id, e.g. 20G", collect)
      .option("--disk-bps <size>", "bytes per second of each disk, e.g. 20M; 0 for no limit")
      .option("--disk-iops <n>", "requests per second of each disk; 0 for no limit")
      .option("--net-bps <size>", "bytes per second of each interface, each way; 0 for no limit")
      .option("--balloon <size>", "memory to give back, e.g. 256M; 0 for none")
      .option("-p, --publish <[ip:]host:guest[/udp]>", "publish a guest port on the host", collect)
      .option("--unpublish <[ip:]host[/udp]>", "publish this host port no longer", collect)
      .option("--ttl <duration>", "delete it after this long from now, e.g. 1h")
      .option("--no-ttl", "let it live until it is deleted")
      .option(
        "--idle <duration>",
        "stop it when it is ready and nobody has had a session in it for this long",
      )
      .option("--no-idle", "let it run unused")
      .option("--expire <delete|stop>", "do this when either time is over")
      .option("--if-version <n>", "only while its version is this")
      .option("--dry-run", "change nothing, and say what would change");
  },

  run: async (context, command) => {
    const flags = command.opts<Flags>();
    const targets = requireTargets(command.args, "microVM");
    const change = changeOf(flags);
    const { globals, signal } = context;
    const client = await context.connect();
    const outcomes = await forEachTarget(targets, signal, async (target) => {
      const request = { target, namespace: globals.namespace, ...change };
      const { microvm, changes } = await client.microvms.update(request, { signal });
      if (globals.output === undefined && !globals.isQuiet) await context.print(changesText(target, changes));
      else if (printsNames(context)) await context.print(`${target}\n`);
      const refusal = microvm?.failure;
      if (refusal?.step === "adjustMachine") context.note(`${target}: not at once: ${refusal.message}`);
      return microvm;
    });
    const isData = globals.output !== undefined && globals.output !== "name";
    const changed = outcomes.flatMap((each) => ("value" in each && each.value ? [each.value] : []));
    if (isData) await context.printList(microvmView(changed), changed);
    return concludeTargets(context, outcomes, { isDataPrinted: isData });
  },
};

const changeOf = (flags: Flags) => {
  const { dryRun = false, ifVersion, ...change } = flags;
  if (Object.values(change).every((value) => value === undefined)) {
    throw usageError("nothing to change", "flintlock modify --memory 1G web");
  }
  return {
    dryRun,
    ...(ifVersion !== undefined && { ifVersion: parseCount("--if-version", ifVersion) }),
    labels: parsePairs("--label", change.label ?? []),
    removeLabels: [...(change.removeLabel ?? [])],
    ...(change.restart !== undefined && parseRestart(change.restart)),
    ...(change.protect !== undefined && { protected: change.protect }),
    ...(change.ttl !== undefined && {
      ttlSeconds: change.ttl === false ? 0 : parseExpirySeconds("--ttl", change.ttl),
    }),
    ...(change.idle !== undefined && {
      idleSeconds: change.idle === false ? 0 : parseExpirySeconds("--idle", change.idle),
    }),
    ...(change.expire !== undefined && { expiryAction: parseExpiryAction(change.expire) }),
    ...(change.cpus !== undefined && { vcpu: parseCount("--cpus", change.cpus) }),
    ...(change.memory !== undefined && { memoryInMb: parseMib("--memory", change.memory) }),
    ...disksOf(change.disk ?? []),
    ...limitsOf(change),
    ...(change.balloon !== undefined && { balloonMib: balloonOf(change.balloon) }),
    publish: (change.publish ?? []).map(parsePort),
    unpublish: (change.unpublish ?? []).map(parseListener),
  };
};

/** `10G`, or `data=10G`. */
const disksOf = (flags: readonly string[]) => {
  const volumeSizes: { id: string; sizeInMb: number }[] = [];
  let diskInMb = 0;
  for (const text of flags) {
    const at = text.lastIndexOf("=");
    const size = parseMib("--disk", text.slice(at + 1));
    if (at > 0) volumeSizes.push({ id: text.slice(0, at), sizeInMb: size });
    else if (at === 0) throw usageError(`--disk ${text}: expected a size, or VOLUME=SIZE`);
    else diskInMb = size;
  }
  return { diskInMb, volumeSizes };
};

const limitsOf = ({ diskBps, diskIops, netBps }: Flags) => {
  if (diskBps === undefined && diskIops === undefined && netBps === undefined) return {};
  return {
    limits: {
      ...(diskBps !== undefined && { diskBytesPerSecond: rate("--disk-bps", diskBps) }),
      ...(diskIops !== undefined && { diskOpsPerSecond: parseCount("--disk-iops", diskIops) }),
      ...(netBps !== undefined && { networkBytesPerSecond: rate("--net-bps", netBps) }),
    },
  };
};

const rate = (flag: string, text: string): bigint =>
  text.trim() === "0" ? 0n : BigInt(parseBytes(flag, text));

const WHEN: Readonly<Record<number, string>> = {
  [ext.Change_Effect.LIVE]: "at once",
  [ext.Change_Effect.NEXT_START]: "at the next start",
};

const changesText = (target: string, changes: readonly ext.Change[]): string =>
  changes.length === 0
    ? `${target}: as it was\n`
    : changes.map(({ field, effect }) => `${target}: ${field}: ${WHEN[effect] ?? "some time"}\n`).join("");
