// The list of traces: leaves empty filters out of its address, and keeps up with new requests while somebody looks.

import { localTimes } from "./page.js";

const PAUSE = 2000;
const list = document.getElementById("traces");
let shown = null;

document.body.addEventListener("htmx:configRequest", (event) => {
  const { headers, parameters } = event.detail;
  headers.Accept = "text/html"; // at this address there is JSON, too
  for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
});

// A table that says the same stays, with what is selected in it and where the focus is.
list.addEventListener("htmx:beforeSwap", (event) => {
  const text = event.detail.xhr.responseText;
  if (text === shown) event.detail.shouldSwap = false;
  shown = text;
});

list.addEventListener("htmx:afterSwap", () => { localTimes(list); nameModel(); });

setInterval(() => {
  const firstPage = !new URLSearchParams(location.search).has("after");
  if (firstPage && document.visibilityState === "visible") window.htmx.trigger(list, "refresh");
}, PAUSE);

let model = null;

/** Write the name of a model that there is into the example of a first request. */
async function nameModel() {
  const name = list.querySelector("[data-model]");
  if (!name) return;
  model ??= await firstModel();
  if (model) name.textContent = model;
}

async function firstModel() {
  const reply = await fetch("/v1/models", { headers: { Accept: "application/json" } });
  if (!reply.ok) return null;
  const { data } = await reply.json();
  return data.find((one) => one.owned_by !== "optillm")?.id ?? null;
}

nameModel();
