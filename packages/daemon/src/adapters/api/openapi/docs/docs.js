/** The page: reads /openapi.json and shows it, an operation or schema a card. */
import { el } from "./dom.js";
import { schemaTable, shortName, useSchemas } from "./schema.js";
import { operationForm } from "./send.js";

const [nav, main, find] = ["#nav", "#main", "#find"].map((id) => document.querySelector(id));

/** A card is filled when it is opened for the first time. */
const card = (id, title, fill) => {
  const made = el("details", { class: "card", id }, el("summary", {}, title));
  made.addEventListener("toggle", () => made.open && made.childElementCount === 1 && made.append(fill()));
  return made;
};

const show = (document_) => {
  useSchemas(document_.components.schemas);
  const operations = Object.entries(document_.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([verb, operation]) => ({ path, verb: verb.toUpperCase(), operation })),
  );
  main.replaceChildren(el("p", { id: "about" }, document_.info.description));
  for (const { name } of document_.tags) {
    nav.append(el("h2", {}, name));
    main.append(el("p", { class: "sub" }, name));
    for (const { path, verb, operation } of operations.filter(({ operation: { tags } }) =>
      tags.includes(name),
    )) {
      const id = operation.operationId;
      const badge = () => el("span", { class: `verb ${verb}` }, verb);
      nav.append(el("a", { href: `#${id}` }, badge(), id.replace(/^.*_/, "")));
      main.append(
        card(id, [badge(), el("code", {}, path), el("span", {}, operation.summary ?? "")], () =>
          operationForm(verb, path, operation),
        ),
      );
    }
  }
  nav.append(el("h2", {}, "Schemas"));
  main.append(el("p", { class: "sub" }, "Schemas"));
  for (const [name, schema] of Object.entries(document_.components.schemas)) {
    nav.append(el("a", { class: "plain", href: `#${name}` }, shortName(name)));
    main.append(card(name, [el("code", {}, name)], () => schemaTable(schema)));
  }
  open();
};

const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches(".card") !== true) return;
  target.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", open);

find.addEventListener("input", () => {
  const wanted = find.value.toLowerCase();
  for (const one of main.querySelectorAll(".card")) {
    const isShown = `${one.id} ${one.firstChild.textContent}`.toLowerCase().includes(wanted);
    one.hidden = !isShown;
    nav.querySelector(`[href="#${CSS.escape(one.id)}"]`).hidden = !isShown;
  }
});

try {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`/openapi.json: ${response.status}`);
  show(await response.json());
} catch (error) {
  main.replaceChildren(el("p", { class: "bad" }, String(error)));
}
