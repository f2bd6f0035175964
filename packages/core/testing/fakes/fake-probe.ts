import type { GuestCondition, GuestProbe, ProbeAnswer } from "@flintlock/core";

/** Guests that meet what they are told to. */
export class FakeProbe implements GuestProbe {
  /** What is met, or what is seen instead; "silence": no answer until the question is over */
  readonly answers = new Map<string, "met" | "silence" | ProbeAnswer | Error>();
  /** Each question, in order */
  readonly asked: string[] = [];

  async ask(condition: GuestCondition, _open: unknown, signal: AbortSignal): Promise<ProbeAnswer> {
    const text = textOf(condition);
    this.asked.push(text);
    const answer = this.answers.get(text) ?? { isMet: false, seen: "not yet" };
    if (answer instanceof Error) throw answer;
    if (answer === "met") return { isMet: true, seen: "there" };
    if (answer !== "silence") return answer;
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }
}

const textOf = (condition: GuestCondition): string => {
  if (condition.kind === "tcp") return `tcp:${condition.port}`;
  return condition.kind === "exec" ? `exec:${condition.command}` : condition.kind;
};
