#!/usr/bin/env node
/**
 * A protoc plugin: one table of what the comments in our protos say, by full name. Descriptors carry no comments at run
 * time, and the OpenAPI documents need them.
 */
import { createEcmaScriptPlugin, getComments, runNodeJs } from "@bufbuild/protoplugin";

const documented = (file) => [
  ...file.services.flatMap((service) => [service, ...service.methods]),
  ...file.messages.flatMap(ofMessage),
  ...file.enums.flatMap(ofEnum),
];
const ofMessage = (message) => [
  message,
  ...message.fields,
  ...message.nestedMessages.flatMap(ofMessage),
  ...message.nestedEnums.flatMap(ofEnum),
];
const ofEnum = (it) => [it, ...it.values];

const nameOf = (desc) => ("typeName" in desc ? desc.typeName : `${desc.parent.typeName}.${desc.name}`);

const textOf = (desc) => {
  const { leading, trailing } = getComments(desc);
  return `${leading ?? ""}${trailing ?? ""}`.trim().replaceAll(/\s+/g, " ");
};

const generateTs = ({ files, generateFile }) => {
  const out = generateFile("comments.ts");
  out.print(
    "/** What the protos say of services, methods, messages, fields and enum values, by full name. */",
  );
  out.print("export const COMMENTS: Readonly<Record<string, string>> = {");
  for (const desc of files.flatMap(documented)) {
    const text = textOf(desc);
    if (text !== "") out.print(`  ${JSON.stringify(nameOf(desc))}: ${JSON.stringify(text)},`);
  }
  out.print("};");
};

runNodeJs(createEcmaScriptPlugin({ name: "protoc-gen-comments", version: "v1", generateTs }));
