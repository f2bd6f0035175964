import { expect, test } from "vitest";
import { addressee, forgetNotifyEnvironment, watchdogPeriodMs } from "./notify-environment.ts";

const SOCKET = { NOTIFY_SOCKET: "/run/systemd/notify", PATH: "/usr/bin" };

test("whoever was not started by systemd has nobody to tell", () => {
  for (const NOTIFY_SOCKET of [undefined, "", "vsock:2:1", "relative"]) {
    expect(addressee({ NOTIFY_SOCKET }, 7)).toBeUndefined();
  }
  expect(addressee({ NOTIFY_SOCKET: "@abstract" }, 7)?.socket).toBe("@abstract");
});

test("the watchdog is ours when its pid is, or none is given", () => {
  const usec = (env: Record<string, string>) => addressee({ ...SOCKET, ...env }, 7)?.watchdogUsec;
  expect(usec({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "7" })).toBe(60_000_000);
  expect(usec({ WATCHDOG_USEC: "60000000" })).toBe(60_000_000);
  expect(usec({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" })).toBeUndefined();
  for (const text of ["0", "-1", "soon", "1e9", "9".repeat(20)]) {
    expect(usec({ WATCHDOG_USEC: text })).toBeUndefined();
  }
});

test("systemd hears from us three times as often as it must", () => {
  expect(watchdogPeriodMs(60_000_000)).toBe(20_000);
  expect(watchdogPeriodMs(1)).toBe(100);
  expect(watchdogPeriodMs(undefined)).toBeUndefined();
});

test("children do not learn where systemd listens", () => {
  const env: Record<string, string | undefined> = { ...SOCKET, WATCHDOG_USEC: "1", WATCHDOG_PID: "7" };
  forgetNotifyEnvironment(env);
  expect(env).toEqual({ PATH: "/usr/bin" });
});
