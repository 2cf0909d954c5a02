// The request page of a server: shows the document in it, follows a request that still runs, offers what can be done.

import { actionBar } from "./actions.js";
import { traceView } from "./page.js";

const root = document.getElementById("trace");
const { address } = root.dataset;
const show = traceView(root, actionBar(address));

function follow() {
  const events = new EventSource(`${address}/events`);
  events.addEventListener("trace", (event) => show(JSON.parse(event.data)));
  events.addEventListener("end", () => events.close());
}

const trace = JSON.parse(document.getElementById("document").textContent);
show(trace);
if (trace.status === "running") follow();
