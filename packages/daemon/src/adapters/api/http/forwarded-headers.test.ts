import { expect, test } from "vitest";
import { metadataOf, refuseBadBinary } from "./forwarded-headers.ts";

const forward = (headersDistinct: Record<string, string[]>, remoteAddress?: string) =>
  Object.fromEntries(metadataOf({ headersDistinct, socket: { remoteAddress } }));

test("authorization arrives as it is and with the gateway's prefix, and a second one is not lost", () => {
  expect(forward({ authorization: ["Basic eA=="], "grpc-metadata-authorization": ["other"] })).toEqual({
    authorization: "Basic eA==, other",
    "grpcgateway-authorization": "Basic eA==",
  });
});

test("permanent headers get a prefix, Grpc-Metadata-* lose theirs, others are dropped", () => {
  expect(
    forward({
      cookie: ["a=b"],
      "user-agent": ["curl"],
      "grpc-metadata-foo": ["a", "b"],
      "grpc-metadata-grpc-foo": ["c"],
      range: ["bytes=0-1"],
      "accept-language": ["\u00fc"],
    }),
  ).toEqual({ "grpcgateway-cookie": "a=b", "grpcgateway-user-agent": "curl", foo: "a, b", "grpc-foo": "c" });
});

test("the host asked for and everybody on the way are told", () => {
  expect(forward({ host: ["h:1"], "x-forwarded-for": ["1.2.3.4", "5.6.7.8"] }, "127.0.0.1")).toEqual({
    "x-forwarded-host": "h:1",
    "x-forwarded-for": "1.2.3.4, 5.6.7.8, 127.0.0.1",
  });
  expect(forward({ host: ["h"], "x-forwarded-host": ["real"] })).toEqual({ "x-forwarded-host": "real" });
});

test("what gRPC's transport says itself cannot be set, nor what is no name", () => {
  for (const name of ["content-type", "grpc-timeout", "te", "host", "connection", "", "a$b", "x-bin"]) {
    expect([name, forward({ [`grpc-metadata-${name}`]: ["eA=="] })]).toEqual([name, {}]);
  }
});

test("a binary header is base64 with all of its padding or none", () => {
  const check = (value: string) => () =>
    refuseBadBinary({ headersDistinct: { "grpc-metadata-x-bin": ["YQ==", value], "x-bin": ["!"] } });
  for (const value of ["YQ==", "YQ", "YWI=", "YWJj", "+/+/", ""]) expect(check(value)).not.toThrow();
  for (const value of ["!!", "_-8", "Y", "YQ=", "=YQ=", "YQ==YQ=="]) {
    expect(check(value)).toThrow("grpc-metadata-x-bin: must be base64");
  }
});
