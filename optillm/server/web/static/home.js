// The home page: programs in tabs, with the address that this browser came by, and what the upstream has.

import { h } from "./dom.js";

const MANY = 12; // models from which on a filter helps
const OWNER = "optillm"; // of names that stand for a technique and a model

/** Show one program at a time: tabs, as the ARIA practices describe them. */
function tabs(list) {
  const programs = [...list.querySelectorAll(".program")];
  const buttons = programs.map((program, index) => h("button", {
    type: "button", role: "tab", id: `tab-${index}`, "aria-controls": `panel-${index}`, onclick: () => select(index),
  }, program.dataset.name));
  const bar = h("div", { role: "tablist", "aria-label": "Language", class: "tabs", onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) select((buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length);
  } }, buttons);
  programs.forEach((program, index) => {
    program.id = `panel-${index}`;
    program.setAttribute("role", "tabpanel");
    program.setAttribute("aria-labelledby", `tab-${index}`);
    program.querySelector("h3").hidden = true;
  });
  list.prepend(bar);

  function select(chosen) {
    programs.forEach((program, index) => { program.hidden = index !== chosen; });
    buttons.forEach((button, index) => {
      button.setAttribute("aria-selected", String(index === chosen));
      button.tabIndex = index === chosen ? 0 : -1;
    });
    if (bar.contains(document.activeElement)) buttons[chosen].focus();
  }
  select(0);
}

/** Replace a text in all programs. */
function replaceInPrograms(list, from, to) {
  for (const code of [...list.querySelectorAll("pre"), document.getElementById("base-url")]) {
    code.textContent = code.textContent.replaceAll(from, to);
  }
}

async function showModels(list) {
  const status = document.getElementById("models-status");
  try {
    const response = await fetch("/v1/models");
    const reply = await response.json();
    if (!response.ok) throw new Error(reply.error?.message ?? response.statusText);
    const names = reply.data.filter(({ owned_by: owner }) => owner !== OWNER).map(({ id }) => id);
    status.textContent = names.length ? `${names.length} model${names.length === 1 ? "" : "s"}` : "The upstream does not list its models.";
    if (names.length) replaceInPrograms(list, list.dataset.someModel, names[0]);
    listModels(names);
  } catch (error) {
    status.textContent = `Could not list the models: ${error.message}`;
    status.classList.add("bad");
  }
}

function listModels(names) {
  const items = names.map((name) => h("li", {}, h("a", { href: `/playground#${new URLSearchParams({ model: name })}` }, h("code", {}, name))));
  document.getElementById("models-list").replaceChildren(...items);
  const filter = document.getElementById("models-filter");
  filter.hidden = names.length < MANY;
  filter.querySelector("input").addEventListener("input", ({ target }) => {
    const words = target.value.toLowerCase();
    items.forEach((item, index) => { item.hidden = !names[index].toLowerCase().includes(words); });
  });
}

async function showReadiness() {
  const line = document.getElementById("ready");
  try {
    const { ok } = await fetch("/health?ready=1");
    line.textContent = ok ? "✓ An upstream responds." : "✗ No upstream responds at the moment.";
    line.className = ok ? "good" : "bad";
  } catch {
    line.textContent = "This server cannot be reached.";
  }
}

const programs = document.querySelector(".programs");
const { origin: shown } = new URL(programs.dataset.origin);
replaceInPrograms(programs, shown, location.origin); // behind a proxy the server may not know its own address
tabs(programs);
showModels(programs);
showReadiness();
