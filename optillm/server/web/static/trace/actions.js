// What can be done with a trace: run it again with something else, download it, copy it as curl, delete it.

import { h } from "../dom.js";
import { copyText } from "../page.js";
import { runAgainDialog } from "./again.js";

/** Return what makes the row of actions of a trace, given the address of its document. */
export function actionBar(address) {
  return (trace) => h("div", { class: "row actions" },
    trace.request.body && trace.endpoint === "/chat/completions" && h("button", { type: "button", class: "first", "data-key": "again", onclick: () => runAgainDialog(trace) }, "Run again with…"),
    h("a", { class: "button", href: `${address}?format=html`, download: `${trace.id}.html` }, "Download page"),
    h("a", { class: "button", href: `${address}?format=otlp`, download: `${trace.id}.otlp.json` }, "OTLP JSON"),
    h("a", { class: "button", href: address, download: `${trace.id}.json` }, "JSON"),
    trace.request.body && h("button", { type: "button", "data-key": "curl", onclick: (event) => copyText(event.currentTarget, curl(trace)) }, "Copy as curl"),
    h("button", { type: "button", "data-key": "delete", onclick: () => remove(address) }, "Delete"));
}

/** Return the request as a shell command; a key is named, never written. */
export function curl(trace) {
  const quoted = JSON.stringify(trace.request.body).replaceAll("'", "'\\''");
  return `curl ${location.origin}/v1${trace.endpoint} \\\n  -H 'Content-Type: application/json' -H "Authorization: Bearer $OPTILLM_API_KEY" \\\n  -d '${quoted}'`;
}

async function remove(address) {
  if (!confirm("Delete this trace? This cannot be undone.")) return;
  const reply = await fetch(address, { method: "DELETE" });
  if (reply.ok) location.assign("/traces");
  else alert("The trace could not be deleted.");
}
