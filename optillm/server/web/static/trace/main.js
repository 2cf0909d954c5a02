// The request page of a server: fetches the document, follows it while the request runs, and offers what can be done.

import { h } from "../dom.js";
import { actionBar } from "./actions.js";
import { traceView } from "./page.js";

const root = document.getElementById("trace");
const address = root.dataset.address;
const show = traceView(root, actionBar(address));

/** Fetch the document and show it; a request that still runs is followed. */
async function start() {
  const reply = await fetch(address, { headers: { Accept: "application/json" } });
  const body = await reply.json();
  if (!reply.ok) return fail(body.error?.message ?? `The server replied ${reply.status}`);
  show(body);
  if (body.status === "running") follow();
}

function follow() {
  const events = new EventSource(`${address}/events`);
  events.addEventListener("trace", (event) => show(JSON.parse(event.data)));
  events.addEventListener("end", () => events.close());
}

function fail(message) {
  root.replaceChildren(h("p", { class: "panel error" }, message));
}

start().catch((error) => fail(`The trace cannot be shown: ${error.message}`));
