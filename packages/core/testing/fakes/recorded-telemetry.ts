import type { Span, Telemetry, Work } from "@flintlock/core";

/** Keeps what it is told. */
export class RecordedTelemetry implements Telemetry {
  readonly spans: Span[] = [];

  ended(span: Span): void {
    this.spans.push(span);
  }

  of<K extends Work["kind"]>(kind: K): readonly (Span & { readonly work: Work & { readonly kind: K } })[] {
    return this.spans.filter(
      (span): span is Span & { readonly work: Work & { readonly kind: K } } => span.work.kind === kind,
    );
  }
}
