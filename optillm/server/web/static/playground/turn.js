// One turn of the conversation: the question, and the answers of all columns side by side.

import { h } from "../dom.js";
import { Answer, name } from "./answer.js";
import { chat, json } from "./api.js";
import { thumbnails } from "./images.js";

const LOOKS = 20;
const PAUSE = 200; // milliseconds between two looks at a trace that is still being written

/** A question on its way to several columns; `changed()` hears of ends and of choices. */
export class Turn {
  chosen = null; // the column whose answer all go on from
  #answers = [];
  #stopping = new AbortController();
  #agreement = h("p", { class: "facts agreement" });
  #changed;

  constructor(question, images, changed) {
    this.question = question;
    this.images = images;
    this.#changed = changed;
    this.element = h("section", { class: "turn" },
      h("h2", { class: "text", dir: "auto" }, question || "(images only)"),
      images.length > 0 && h("ul", { class: "thumbnails" }, thumbnails(images)),
      this.#agreement);
  }

  /** The texts that columns can go on from. */
  get answers() {
    const usable = this.#answers.filter(({ state, text }) => text && state !== "failed");
    return new Map(usable.map(({ column, text }) => [column, text]));
  }

  /** How many answers there are, and how many of them are still on their way. */
  get progress() {
    return { all: this.#answers.length, running: this.#answers.filter(({ state }) => state === "running").length };
  }

  /** The name of the answer that all go on from, null if each goes on from its own. */
  get chosenName() {
    const answer = this.#answers.find(({ column }) => column === this.chosen);
    return answer ? name(answer.expression) : null;
  }

  /** Send requests, `{ column, expression, body }` each, and show what comes until all have ended. */
  async send(requests) {
    this.#answers = requests.map(({ column, expression }) => new Answer(column, expression, (answer) => this.#choose(answer)));
    this.element.append(h("div", { class: "beside" }, this.#answers.map(({ element }) => element)));
    await Promise.all(requests.map(({ body }, index) => this.#receive(this.#answers[index], body)));
    await this.#compare();
  }

  /** Call off what is still on its way: the server ends its upstream calls when the connection is gone. */
  stop() {
    this.#stopping.abort();
  }

  /** Nothing can be chosen in it any more. */
  settle() {
    for (const answer of this.#answers) answer.mark(answer.column === this.chosen, true);
  }

  async #receive(answer, body) {
    try {
      for await (const part of chat(body, this.#stopping.signal)) answer.take(part);
      answer.done();
    } catch (error) {
      if (this.#stopping.signal.aborted) answer.stopped();
      else answer.failed(error);
    }
    this.#changed();
  }

  #choose(answer) {
    this.chosen = this.chosen === answer.column ? null : answer.column;
    for (const other of this.#answers) other.mark(other.column === this.chosen, false);
    this.#changed();
  }

  // Equal final answers get the same colour; which answer is final only the trace knows.
  async #compare() {
    const traces = await Promise.all(this.#answers.map(({ trace }) => trace && finished(trace)));
    const finals = traces.map((trace) => trace && finalAnswer(trace));
    const distinct = [...new Set(finals.filter((final) => final !== null))];
    this.#answers.forEach((answer, index) => {
      if (traces[index]) answer.showTraced(traces[index]);
      if (finals[index] !== null) answer.group(finals[index], distinct.indexOf(finals[index]));
    });
    if (distinct.length) this.#agreement.replaceChildren(...distinct.map((final, number) => this.#sayers(final, number, finals)));
  }

  #sayers(final, number, finals) {
    const names = this.#answers.filter((_, index) => finals[index] === final).map(({ expression }) => name(expression));
    return h("span", {}, h("span", { class: `chip answer-${number % 6}` }, final), ` ${names.join(", ")}`);
  }
}

function finalAnswer({ candidates, outcome }) {
  return candidates.find(({ index }) => index === outcome.chosen[0])?.answer ?? null;
}

// Return a trace that has ended, or null; a trace is a help, so that one which cannot be read is no error.
async function finished(id) {
  try {
    for (let look = 0; look < LOOKS; look += 1) {
      const trace = await json(`/v1/traces/${encodeURIComponent(id)}`);
      if (trace.status !== "running") return trace;
      await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
    }
  } catch {
    return null;
  }
  return null;
}
