// One answer while it comes and when it is there. Whatever a model wrote is put into text nodes.

import { h } from "../dom.js";
import { copyText } from "../page.js";
import { counted, dollars, finishWords, seconds, stopWords } from "./words.js";

const STATES = {
  running: "working…",
  done: "done",
  failed: "failed",
  stopped: "stopped",
};

/** The answer of one column in one turn; `chosen(answer)` hears that all are to go on from this one. */
export class Answer {
  trace = null; // the id of its trace
  text = "";
  state = "running";
  #chosen;
  #began = performance.now();
  #first = null; // when the first word came
  #usage = null;
  #report = null;
  #finish = null;
  #notes = [];
  #chip = h("span", { class: "chip", hidden: true });
  #status = h("span", { class: "status status-running" }, STATES.running);
  #note = h("p", { class: "soft note" });
  #thoughts = document.createTextNode("");
  #thinking = h("details", { hidden: true }, h("summary", {}, "Thoughts"), h("div", { class: "text soft" }, this.#thoughts));
  #words = document.createTextNode("");
  #error = h("p", { class: "bad", role: "alert", hidden: true });
  #facts = h("p", { class: "facts" });
  #actions = h("div", { class: "row actions" });
  #choose = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.#chosen(this) }, "Continue from this answer");

  constructor(column, expression, chosen) {
    this.column = column;
    this.expression = expression;
    this.#chosen = chosen;
    this.element = h("article", { class: "panel answer", "aria-label": `Answer of ${name(expression)}`, "aria-busy": "true" },
      h("div", { class: "row spread" }, h("h3", {}, h("code", {}, name(expression))), this.#status),
      this.#chip, this.#note, this.#thinking,
      h("div", { class: "text", dir: "auto" }, this.#words),
      this.#error, this.#facts, this.#actions);
  }

  /** Take one part of what the API yields, see `chat` in api.js. */
  take({ trace, text, thoughts, note, finish, usage, report }) {
    if (trace) this.#traced(trace);
    if (text || thoughts) this.#first ??= performance.now();
    if (thoughts) this.#thought(thoughts);
    if (note) this.#noted(note);
    if (text) {
      this.text += text;
      this.#words.appendData(text);
    }
    this.#finish = finish ?? this.#finish;
    this.#usage = usage ?? this.#usage;
    this.#report = report ?? this.#report;
  }

  /** Show that all of it has come, what it took and why it ended. */
  done() {
    this.#end("done");
    if (!this.text) this.#words.data = "(an empty answer)";
    const finish = finishWords(this.#finish);
    if (finish) this.#note.replaceChildren(`The reply was ${finish}.`);
    this.#showFacts();
    this.#actions.append(
      h("button", { type: "button", onclick: (event) => copyText(event.target, this.text) }, "Copy"),
      this.#choose);
  }

  /** Show that it was stopped by hand. */
  stopped() {
    this.#end("stopped");
    this.#showFacts();
  }

  /** Show what went wrong, in the server's own words. */
  failed(error) {
    this.#end("failed");
    this.#error.hidden = false;
    this.#error.textContent = error.message;
    if (error.status === 401) this.#error.append(" ", h("a", { href: "/sign-in?next=/playground" }, "Sign in"));
    this.#facts.textContent = [error.status && `status ${error.status}`, error.code].filter(Boolean).join(" · ");
  }

  /** Show the final answer in the colour of its group. */
  group(answer, number) {
    this.#chip.hidden = false;
    this.#chip.classList.add(`answer-${number % 6}`);
    this.#chip.textContent = answer;
  }

  /** Show what only the trace says of a plain request: calls and cost. */
  showTraced({ calls, cost }) {
    this.#report ??= { calls: { call: calls.length }, cost };
    this.#showFacts();
  }

  /** Show whether all go on from this answer; `settled` is past changing. */
  mark(chosen, settled) {
    this.#choose.setAttribute("aria-pressed", String(chosen));
    this.element.classList.toggle("chosen", chosen);
    if (settled) this.#choose.remove();
  }

  #end(state) {
    this.state = state;
    this.element.setAttribute("aria-busy", "false");
    const kind = { done: "ok", failed: "failed", stopped: "cancelled" }[state];
    this.#status.className = `status status-${kind}`;
    this.#status.textContent = STATES[state];
    this.#note.replaceChildren();
    if (this.#notes.length) {
      const listed = h("ol", { class: "soft" }, this.#notes.map((note) => h("li", {}, note)));
      this.#note.after(h("details", {}, h("summary", {}, "Progress"), listed));
    }
    this.took = (performance.now() - this.#began) / 1000;
  }

  #showFacts() {
    const { rounds, calls, cost, stop_reason: stop, losses } = this.#report ?? {};
    const first = this.#first === null ? null : (this.#first - this.#began) / 1000;
    const total = calls && Object.values(calls).reduce((sum, count) => sum + count, 0);
    const lost = losses && Object.values(losses).reduce((sum, count) => sum + count, 0);
    const facts = [
      [seconds(this.took), first !== null && `first token after ${seconds(first)}`],
      [total && counted(total, "call"), rounds && `in ${counted(rounds, "round")}`, lost > 0 && `(${lost} lost)`],
      [this.#usage && counted(this.#usage.total_tokens, "token"), this.#usage?.estimated && "(estimated)"],
      [typeof cost === "number" && dollars(cost)],
      [stop && stopWords(stop)],
    ].map((parts) => parts.filter(Boolean)).filter((parts) => parts.length);
    this.#facts.replaceChildren(...facts.map(([main, ...rest]) => h("span", {}, h("b", {}, main), rest.map((part) => ` ${part}`))));
  }

  #traced(id) {
    this.trace = id;
    const href = `/traces/${encodeURIComponent(id)}`; // in a tab of its own: answers do not outlive this page
    this.#actions.prepend(h("a", { class: "button", href, target: "_blank", title: "How this answer came about, in a new tab" }, "Trace"));
  }

  #thought(thoughts) {
    this.#thinking.hidden = false;
    this.#thoughts.appendData(thoughts);
  }

  #noted(note) {
    this.#notes.push(note);
    this.#note.textContent = note;
  }
}

/** Return how an expression is called in titles. */
export function name(expression) {
  return expression === "none" ? "plain" : expression;
}
