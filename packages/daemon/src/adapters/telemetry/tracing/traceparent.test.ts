import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test("a trace context is read and written as W3C says", () => {
  const text = `00-${TRACE}-${SPAN}-01`;
  expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, flags: 1 });
  expect(formatTraceparent({ traceId: TRACE, spanId: SPAN, flags: 1 })).toBe(text);
  expect(parseTraceparent(`01-${TRACE}-${SPAN}-00-more`)?.flags).toBe(0);
});

test("what is none is none", () => {
  for (const text of [
    undefined,
    "",
    "hello",
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
    `01-${TRACE}-${SPAN}-01-${"x".repeat(10_000)}`,
  ]) {
    expect(parseTraceparent(text), text?.slice(0, 100)).toBeUndefined();
  }
  fc.assert(fc.property(fc.string(), (text) => void parseTraceparent(text)));
});
