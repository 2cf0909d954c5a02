// The page that is one file: the document is in it, and there is no server to ask.

import { traceView } from "./page.js";

const show = traceView(document.getElementById("trace"));
show(JSON.parse(document.getElementById("document").textContent));
