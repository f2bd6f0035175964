/** Every command there is, in the order of the help. */
import type { VerbEntry } from "./verb.ts";

const imageVerbs: readonly VerbEntry[] = [
  {
    name: "pull",
    summary: "fetch images from a registry",
    load: async () => (await import("./commands/image-pull.ts")).imagePull,
  },
  {
    name: "load",
    summary: "read an image from an OCI layout or archive, or a docker save archive",
    load: async () => (await import("./commands/image-load.ts")).imageLoad,
  },
  {
    name: "ls",
    aliases: ["list"],
    summary: "list images",
    load: async () => (await import("./commands/image-ls.ts")).imageLs,
  },
  {
    name: "inspect",
    summary: "show an image in full",
    load: async () => (await import("./commands/image-inspect.ts")).imageInspect,
  },
  {
    name: "rm",
    summary: "remove images",
    load: async () => (await import("./commands/image-rm.ts")).imageRm,
  },
  {
    name: "prune",
    summary: "drop content that no image and no microVM uses",
    load: async () => (await import("./commands/image-prune.ts")).imagePrune,
  },
];

const imageVerb = (name: string): Pick<VerbEntry, "load"> => {
  const load = imageVerbs.find((verb) => verb.name === name)?.load;
  return load === undefined ? {} : { load };
};

export const verbs: readonly VerbEntry[] = [
  {
    name: "run",
    summary: "create a microVM, run a command in it, and remove it",
    load: async () => (await import("./commands/run.ts")).run,
  },
  {
    name: "create",
    summary: "create a microVM and leave it running",
    load: async () => (await import("./commands/create.ts")).create,
  },
  {
    name: "ls",
    aliases: ["ps", "list"],
    summary: "list microVMs",
    load: async () => (await import("./commands/ls.ts")).ls,
  },
  {
    name: "events",
    summary: "print what happens to microVMs, or has happened",
    load: async () => (await import("./commands/events.ts")).events,
  },
  {
    name: "inspect",
    summary: "show microVMs in full",
    load: async () => (await import("./commands/inspect.ts")).inspect,
  },
  {
    name: "explain",
    summary: "tell where a microVM's time went, what happened to it, and what is wrong",
    load: async () => (await import("./commands/explain.ts")).explain,
  },
  {
    name: "start",
    summary: "boot microVMs that were stopped, ended or failed, from their disks",
    load: async () => (await import("./run-verbs.ts")).start(),
  },
  {
    name: "stop",
    summary: "end guests, and keep their disks",
    load: async () => (await import("./run-verbs.ts")).stop(),
  },
  {
    name: "restart",
    summary: "end guests, and boot them again",
    load: async () => (await import("./run-verbs.ts")).restart(),
  },
  {
    name: "kill",
    summary: "end guests at once, and keep their disks",
    load: async () => (await import("./run-verbs.ts")).kill(),
  },
  {
    name: "pause",
    summary: "let guests stand still",
    load: async () => (await import("./run-verbs.ts")).pause(),
  },
  {
    name: "resume",
    summary: "let paused guests go on",
    load: async () => (await import("./run-verbs.ts")).resume(),
  },
  {
    name: "modify",
    aliases: ["resize"],
    summary: "change microVMs: labels, restart policy, protection, time to live, size",
    load: async () => (await import("./commands/modify.ts")).modify,
  },
  {
    name: "rm",
    summary: "stop and delete microVMs",
    load: async () => (await import("./commands/rm.ts")).rm,
  },
  {
    name: "logs",
    summary: "print what a guest, its VMM and our agent had to say",
    load: async () => (await import("./commands/logs.ts")).logs,
  },
  {
    name: "top",
    summary: "show what microVMs and their guests use",
    load: async () => (await import("./commands/top.ts")).top,
  },
  {
    name: "exec",
    summary: "run a command in a microVM, beside its main process",
    load: async () => (await import("./commands/exec.ts")).exec,
  },
  {
    name: "shell",
    summary: "open a login shell in a microVM",
    load: async () => (await import("./commands/shell.ts")).shell,
  },
  {
    name: "ssh",
    summary: "open an SSH session in a microVM, or print an ssh_config",
    load: async () => (await import("./commands/ssh.ts")).ssh,
  },
  {
    name: "cp",
    summary: "copy files into a microVM, or out of it",
    load: async () => (await import("./commands/cp.ts")).cp,
  },
  {
    name: "port-forward",
    summary: "reach ports in a microVM from 127.0.0.1",
    load: async () => (await import("./commands/port-forward.ts")).portForward,
  },
  {
    name: "attach",
    summary: "join the main process of a microVM",
    load: async () => (await import("./commands/attach.ts")).attach,
  },
  {
    name: "console",
    summary: "open a microVM's serial console",
    load: async () => (await import("./commands/console.ts")).console,
  },
  {
    name: "wait",
    summary: "wait until microVMs run, are ready, stand still, end or are gone",
    load: async () => (await import("./commands/wait.ts")).wait,
  },
  { name: "image", summary: "images: pull, load, ls, inspect, rm, prune", verbs: imageVerbs },
  { name: "pull", summary: "same as image pull", ...imageVerb("pull") },
  { name: "rmi", summary: "same as image rm", ...imageVerb("rm") },
  {
    name: "doctor",
    summary: "check what this host can do, and boot a probe microVM",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  {
    name: "version",
    summary: "print the versions of client and daemon",
    load: async () => (await import("./commands/version.ts")).version,
  },
  {
    name: "completion",
    summary: "print a completion script for bash, zsh or fish",
    load: async () => (await import("./commands/completion.ts")).completion,
  },
];
