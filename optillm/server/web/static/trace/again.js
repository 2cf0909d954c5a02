// Run again with …: the same request with another technique or model, and both results beside each other.

import { h } from "../dom.js";
import { sideBySide } from "./compare.js";
import { brief, count, duration, money, plural } from "./words.js";

/** Open the dialog in which a trace's request is sent again. */
export function runAgainDialog(trace) {
  const results = h("div", { "aria-live": "polite" });
  const send = h("button", { class: "first" }, "Run");
  const dialog = h("dialog", { class: "again", "aria-labelledby": "again-title" },
    h("div", { class: "inspector-head" }, h("h2", { id: "again-title" }, "Run again with…"), h("button", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "✕")),
    h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); run(trace, event.currentTarget, send, results, dialog); } },
      field("Technique", "technique", trace.technique, "techniques", "for example bon(n=8), or none"), field("Model", "model", trace.model, "models"), send),
    h("p", { class: "soft" }, "The same messages and parameters are sent to /v1/chat/completions. Options go in parentheses: ", h("code", null, "bon(n=8)"), ", ", h("code", null, "self_consistency(samples=16)"), "; ", h("code", null, "none"), " sends a plain request."),
    results);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  suggest(dialog);
}

function field(label, name, value, list, placeholder) {
  return h("label", null, label, h("input", { name, value, list, placeholder, required: name === "model", autocomplete: "off", spellcheck: "false" }), h("datalist", { id: list }));
}

async function suggest(dialog) {
  const fill = async (id, address, name) => {
    const reply = await fetch(address, { headers: { Accept: "application/json" } });
    if (!reply.ok) return;
    const listed = (await reply.json()).data.map((one) => one[name]);
    dialog.querySelector(`#${id}`)?.append(...listed.map((value) => h("option", { value })));
  };
  await Promise.allSettled([fill("techniques", "/v1/techniques", "slug"), fill("models", "/v1/models", "id")]);
}

/** Return the body of a request with another technique and model; options and budget stay with the expression's own. */
export function bodyWith(body, technique, model) {
  const { optillm_approach: _approach, stream: _stream, stream_options: _options, optillm, ...kept } = body;
  const { approach: _before, options: _chosen, progress: _progress, trace: _trace, ...block } = optillm ?? {};
  return { ...kept, model, optillm: { ...block, approach: technique.trim() || "none" } };
}

async function run(trace, form, button, results, dialog) {
  const leaving = new AbortController();
  dialog.addEventListener("close", () => leaving.abort());
  const [technique, model] = [form.elements.technique.value, form.elements.model.value];
  button.disabled = true;
  const began = performance.now();
  const clock = setInterval(() => { results.replaceChildren(h("p", null, `Running for ${duration((performance.now() - began) / 1000)} …`)); }, 100);
  try {
    const content = await outcome(trace, bodyWith(trace.request.body, technique, model), began, leaving.signal);
    clearInterval(clock);
    results.replaceChildren(content);
  } catch (error) {
    clearInterval(clock);
    results.replaceChildren(h("p", { class: "panel error" }, error.name === "AbortError" ? "Stopped." : `The request failed: ${error.message}`));
  }
  button.disabled = false;
}

async function outcome(trace, body, began, signal) {
  const reply = await fetch("/v1/chat/completions", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
  const seconds = (performance.now() - began) / 1000;
  const answer = await reply.json();
  const id = reply.headers.get("x-optillm-trace");
  const again = id && await newTrace(id);
  if (!reply.ok) throw new Error(answer.error?.message ?? `status ${reply.status}`);
  return comparison(row(trace, trace.outcome.text ?? ""), rerun(answer, again, body, seconds), id);
}

async function newTrace(id) {
  const reply = await fetch(`/v1/traces/${encodeURIComponent(id)}`, { headers: { Accept: "application/json" } });
  return reply.ok ? reply.json() : null;
}

function row(trace, text) {
  const answer = trace.groups.find((group) => group.chosen)?.answer ?? null;
  return { technique: `${trace.technique} · ${trace.model}`, answer, seconds: trace.seconds, cost: trace.cost, calls: trace.calls.length, rounds: trace.rounds, tokens: trace.usage?.total_tokens ?? null, text };
}

// The trace of the second run may be off or not yet there: then the reply itself has to do.
function rerun(answer, again, body, seconds) {
  const text = answer.choices?.[0]?.message?.content ?? "";
  if (again) return row(again, text || again.outcome.text || "");
  return { technique: `${body.optillm.approach} · ${body.model}`, answer: null, seconds, cost: null, calls: null, rounds: null, tokens: answer.usage?.total_tokens ?? null, text };
}

function comparison(before, after, id) {
  const line = (name, show) => h("tr", null, h("th", { scope: "row" }, name), h("td", null, h("bdi", null, show(before))), h("td", null, h("bdi", null, show(after))));
  return h("div", null,
    h("div", { class: "scroll" }, h("table", null,
      h("thead", null, h("tr", null, h("td"), h("th", { scope: "col" }, "This trace"), h("th", { scope: "col" }, "The new run", id && [" · ", h("a", { href: `/traces/${encodeURIComponent(id)}` }, "its trace")]))),
      h("tbody", null, line("technique", (one) => one.technique), (before.answer ?? after.answer) !== null && line("answer", (one) => brief(one.answer ?? "–", 80)), line("time", (one) => duration(one.seconds)), line("cost", (one) => money(one.cost)),
        line("calls", (one) => one.calls === null ? "–" : `${count(one.calls)} in ${plural(one.rounds, "round")}`), line("tokens", (one) => count(one.tokens))))),
    sideBySide({ title: "This trace", text: before.text }, { title: "The new run", text: after.text }));
}
