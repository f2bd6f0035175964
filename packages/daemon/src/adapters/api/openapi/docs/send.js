/** A form for one operation: what it takes, a button, and what came back. */
import { el } from "./dom.js";
import { exampleOf, row, schemaTable } from "./schema.js";

const inputFor = ({ name, schema, required }) => {
  const attributes = { name, required, "aria-label": name };
  const values = schema.enum ?? (schema.type === "boolean" ? ["true", "false"] : undefined);
  if (values === undefined)
    return el("input", { ...attributes, placeholder: schema.type === "object" ? "key=value" : undefined });
  return el(
    "select",
    attributes,
    ["", ...values.filter((value) => value !== "")].map((value) => el("option", {}, value)),
  );
};

const urlOf = (path, parameters, inputs) => {
  const query = new URLSearchParams();
  let url = path;
  for (const { name, in: place, schema } of parameters) {
    const value = inputs.get(name).value.trim();
    if (place === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (value !== "" && schema.type === "object")
      query.append(`${name}[${value.split("=")[0]}]`, value.slice(value.indexOf("=") + 1));
    else if (value !== "") query.append(name, value);
  }
  return query.size === 0 ? url : `${url}?${query}`;
};

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
};

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export const operationForm = (verb, path, { parameters = [], requestBody, responses }) => {
  const inputs = new Map(parameters.map((parameter) => [parameter.name, inputFor(parameter)]));
  const bodySchema = requestBody?.content["application/json"].schema;
  const body = bodySchema && el("textarea", { rows: 9, spellcheck: "false", "aria-label": "Body" });
  if (body) body.value = JSON.stringify(exampleOf(bodySchema), undefined, 2);
  const status = el("p", { class: "status", role: "status" });
  const answer = el("pre", { hidden: true });
  const command = el("pre", {});
  const token = () => document.querySelector("#token").value;
  const request = () => {
    const headers = {
      ...(body ? { "Content-Type": "application/json" } : {}),
      ...(token() ? { Authorization: `Bearer ${token()}` } : {}),
    };
    return {
      url: urlOf(path, parameters, inputs),
      options: { method: verb, headers, ...(body ? { body: body.value } : {}) },
    };
  };
  const showCommand = () => {
    const { url, options } = request();
    const headers = Object.keys(options.headers).map(
      (name) =>
        ` -H ${name === "Authorization" ? '"Authorization: Bearer $TOKEN"' : quoted(`${name}: ${options.headers[name]}`)}`,
    );
    command.textContent = `curl -X ${verb}${headers.join("")} ${quoted(location.origin + url)}${body ? ` -d ${quoted(body.value)}` : ""}`;
  };
  let running;
  const send = async (event) => {
    event.preventDefault();
    running?.abort();
    running = new AbortController();
    const { url, options } = request();
    const started = performance.now();
    answer.hidden = false;
    answer.textContent = "";
    status.textContent = "…";
    try {
      const response = await fetch(url, { ...options, signal: running.signal });
      status.className = `status ${response.ok ? "ok" : "bad"}`;
      status.textContent = `${response.status} ${response.statusText}, ${Math.round(performance.now() - started)} ms`;
      let text = "";
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        // A stream has a line for each message; the last may be unfinished
        answer.textContent = text.split("\n").map(pretty).join("\n");
      }
      answer.textContent = pretty(text) === text ? answer.textContent : pretty(text);
    } catch (error) {
      status.className = "status bad";
      status.textContent = error.name === "AbortError" ? "stopped" : String(error);
    }
  };
  const form = el(
    "form",
    { onsubmit: send, oninput: showCommand },
    el(
      "table",
      {},
      parameters.map((parameter) =>
        row(parameter.name, parameter.schema, {
          isRequired: parameter.required,
          description: ` ${parameter.description ?? ""}`,
          input: inputs.get(parameter.name),
        }),
      ),
    ),
    body && el("p", { class: "sub" }, "Body"),
    body,
    body && el("details", {}, el("summary", {}, "Its fields"), schemaTable(bodySchema)),
    el(
      "p",
      {},
      el("button", { class: "send" }, "Send"),
      el("button", { type: "button", onclick: () => running?.abort() }, "Stop"),
    ),
    status,
    answer,
    el("details", { ontoggle: showCommand }, el("summary", {}, "As a command"), command),
  );
  const media = responses["200"].content["application/json"];
  const reply = media.schema ?? media["x-line-schema"].anyOf[0].properties.result;
  return el(
    "div",
    {},
    form,
    el(
      "details",
      {},
      el("summary", {}, media.schema ? "Answer" : "Each line of the answer"),
      (reply.anyOf ?? [reply]).map(schemaTable),
    ),
  );
};
