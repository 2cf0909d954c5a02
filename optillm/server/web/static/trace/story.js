// What a person reads first: the question, the facts, and in words why this answer was chosen.

import { h } from "../dom.js";
import { answerOf, withChips } from "./model.js";
import { sideBySide } from "./compare.js";
import { brief, count, duration, letter, money, plural } from "./words.js";

const STATES = { running: "running …", ok: "answered", failed: "failed", cancelled: "cancelled" };
const MOSTLY = 0.5; // the share of the time that calls must take for it to be told in rounds
const SIGNS = { running: "◌", ok: "✓", failed: "✕", cancelled: "–" };

/** Return the head of the page: when and whose, the question, the facts in numbers. */
export function headline(model) {
  const { trace } = model;
  const question = trace.request.question;
  return h("div", { class: "headline" },
    h("div", { class: "facts" },
      h("span", { class: `status status-${trace.status}` }, `${SIGNS[trace.status] ?? ""} ${STATES[trace.status] ?? trace.status}`),
      h("time", { datetime: new Date(trace.created * 1000).toISOString() }, new Date(trace.created * 1000).toLocaleString()),
      trace.client && h("span", null, "key ", h("b", null, trace.client)), h("span", null, h("bdi", null, trace.request_id)), trace.stream && h("span", null, "streamed")),
    h("h1", { class: question?.length > 140 ? "wordy" : null }, h("bdi", null, question ? brief(question, 260) : `${trace.technique} on ${trace.model}`)),
    h("div", { class: "facts" }, numbers(trace)));
}

function numbers(trace) {
  const calls = trace.calls.length;
  const cancelled = trace.calls.filter((call) => call.status === "cancelled").length;
  const failed = trace.calls.filter((call) => call.status === "failed").length;
  const losses = [cancelled && `${cancelled} cancelled`, failed && `${failed} failed`].filter(Boolean).map((text) => `, ${text}`);
  const bold = (value) => h("b", null, value);
  return [
    h("span", null, bold(h("bdi", null, trace.technique)), " · ", h("bdi", null, trace.model)),
    h("span", null, bold(duration(trace.seconds)), perRound(trace)),
    h("span", null, bold(count(calls)), calls === 1 ? " call" : " calls", losses),
    trace.usage && h("span", null, bold(count(trace.usage.total_tokens)), " tokens"),
    trace.cost !== null && h("span", null, bold(money(trace.cost))),
    trace.stop && h("span", null, "stop: ", bold(trace.stop)),
  ];
}

// Latency is rounds × one call: the sum that everything here is built on.
function perRound(trace) {
  if (!trace.rounds || !trace.seconds) return "";
  const calling = trace.critical_path.map((id) => trace.calls[id]).reduce((total, call) => total + ((call?.end ?? call?.start ?? 0) - (call?.start ?? 0)), 0);
  if (calling < MOSTLY * trace.seconds) return `, ${plural(trace.rounds, "round")}, ${duration(trace.seconds - calling)} of it outside calls`;
  if (trace.rounds === 1) return ", 1 round";
  return ` = ${trace.rounds} rounds × ${duration(trace.seconds / trace.rounds)}`;
}

/** Return why this answer was chosen, or what went wrong, in a box; null where there is nothing to say. */
export function whyBox(model) {
  const { trace } = model;
  if (!trace.error && !trace.outcome.why.length && trace.content && trace.status !== "running") return null;
  return h("div", { class: `why panel${trace.error ? " error" : ""}` },
    trace.error && !trace.outcome.why.length && h("p", { class: "text" }, h("b", null, trace.error)),
    trace.outcome.why.length > 0 && h("p", { class: "text" }, trace.outcome.why.map((sentence) => [withChips(model, sentence), " "])),
    trace.status === "running" && !trace.outcome.why.length && h("p", { class: "soft" }, "The request is still running: nothing has been decided yet."),
    !trace.content && h("p", { class: "soft" }, "Prompts and replies were not kept: start the server with --trace-content to see them."));
}

/** Return the chosen answer as text, beside the runner-up if there is one; null without content. */
export function answerSection(model) {
  const { outcome } = model.trace;
  const chosen = model.candidates.get(outcome.chosen[0]);
  const text = outcome.text ?? chosen?.text;
  if (!text) return null;
  const runnerUp = model.candidates.get(outcome.runner_up);
  const left = { title: chosen && model.trace.candidates.length > 1 ? `Chosen: ${nameWithLetter(chosen)}` : "The answer", text };
  if (!runnerUp?.text) return h("div", { class: "panel side" }, h("h3", null, left.title), h("div", { class: "text long" }, text));
  return sideBySide({ title: `Runner-up: ${nameWithLetter(runnerUp)}`, text: runnerUp.text }, left);
}

function nameWithLetter(candidate) {
  return candidate.answer === null ? letter(candidate.index) : `${answerOf(candidate)} (${letter(candidate.index)})`;
}

/** Return what happened on the way, in the order in which it did; null if nothing was recorded. */
export function decisionList(model) {
  const { decisions } = model.trace;
  if (!decisions.length) return null;
  return h("ol", { class: "panel decisions" }, decisions.map((decision) =>
    h("li", null, h("span", { class: "at" }, duration(decision.at)), h("span", { class: "text" }, decision.text), dataOf(decision))));
}

function dataOf(decision) {
  const entries = Object.entries(decision.data ?? {}).filter(([, value]) => !decision.text.includes(String(value)));
  return entries.length > 0 && h("span", { class: "soft text" }, entries.map(([name, value]) => `${name} ${brief(typeof value === "object" ? JSON.stringify(value) : value, 80)}`).join(" · "));
}

/** Return the options of the technique and what was lost, in a fold. */
export function fineprint(model) {
  const { trace } = model;
  const rows = [["id", trace.id], ["endpoint", trace.endpoint], ["HTTP status", trace.http_status], ["calls by role", words(trace.call_counts)], ["options", words(trace.options)],
    ["options requested", words(trace.requested_options)], ["losses", words(trace.losses)], ["tokens", trace.usage && `${plural(trace.usage.prompt_tokens ?? 0, "token")} in, ${count(trace.usage.completion_tokens)} out`]];
  return h("details", { "data-fold": "fineprint" }, h("summary", null, "Options, losses and other details"),
    h("dl", { class: "details panel" }, rows.filter(([, value]) => value !== null && value !== "").map(([name, value]) => [h("dt", null, name), h("dd", null, h("bdi", null, String(value)))])));
}

function words(table) {
  return Object.entries(table ?? {}).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
}
