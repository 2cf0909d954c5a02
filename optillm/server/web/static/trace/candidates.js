// The candidates, grouped by their answer: who gave it, how many votes it has, how one of them ends.

import { h } from "../dom.js";
import { opens, roving } from "./keys.js";
import { groupColour } from "./model.js";
import { brief, letter, listed, plural, score } from "./words.js";

const SHOWN = 6;
const EXCERPT = 280;
const LINES = 3;

/** Return one card per answer, the chosen one first; those after the first few wait behind a fold. */
export function candidateCards(model, view, wide) {
  const loose = model.trace.candidates.filter((candidate) => !model.ranks.has(candidate.group));
  const cards = [...model.groups.map((group) => groupCard(model, group, view)), ...(loose.length ? [looseCard(loose, view)] : [])];
  const rest = cards.slice(SHOWN);
  return roving(h("div", { class: wide ? "candidates wide" : "candidates" }, cards.slice(0, SHOWN),
    rest.length > 0 && h("details", { "data-fold": "candidates" }, h("summary", null, plural(rest.length, "more answer")), rest)));
}

function groupCard(model, group, view) {
  const members = group.candidates.map((index) => model.candidates.get(index)).filter(Boolean);
  const marks = members.map((candidate) => candidate.score).filter((value) => value !== null);
  const best = marks.length ? Math.max(...marks) : null;
  const text = members.find((candidate) => candidate.text)?.text;
  return h("article", { class: `card ${groupColour(model, group)}${group.chosen ? " chosen" : ""}` },
    h("div", { class: "card-head" },
      chip(group, members), members.map((candidate) => memberButton(candidate, view)),
      h("span", { class: "votes" }, tally(model, group, best))),
    meter(best ?? group.votes / Math.max(1, model.trace.candidates.length)),
    text && h("p", { class: "text excerpt" }, ending(text)));
}

function chip(group, members) {
  const label = group.answer === null ? `answer ${listed(members.map((candidate) => letter(candidate.index)), 4)}` : brief(group.answer, 60);
  return h("span", { class: "chip" }, group.chosen && h("span", { class: "visually-hidden" }, "chosen: "), group.chosen && h("span", { "aria-hidden": "true" }, "✓"), label);
}

function tally(model, group, best) {
  const votes = `${group.votes} of ${plural(model.trace.candidates.length, "candidate")}`;
  return best === null ? votes : `${votes} · score ${score(best)}`;
}

function meter(share) {
  return h("div", { class: "meter", "aria-hidden": "true" }, h("i", { style: { width: `${Math.min(1, Math.max(0, share)) * 100}%` } }));
}

function memberButton(candidate, view) {
  const label = `candidate ${letter(candidate.index)}${candidate.complete ? "" : ", incomplete"}`;
  const button = h("button", { class: `member${candidate.complete ? "" : " incomplete"}`, type: "button", "aria-label": label, title: label }, letter(candidate.index));
  return opens(button, `candidate-${candidate.index}`, () => view.open("candidate", candidate.index));
}

function looseCard(candidates, view) {
  return h("article", { class: "card" },
    h("div", { class: "card-head" }, h("span", { class: "soft" }, "without an answer"), candidates.map((candidate) => memberButton(candidate, view))));
}

// An answer stands at the end more often than at the beginning.
function ending(text) {
  const trimmed = text.trim();
  const lines = trimmed.slice(-EXCERPT).split("\n").filter((line) => line.trim());
  const last = lines.slice(-LINES).join("\n");
  return trimmed.endsWith(last) && last.length === trimmed.length ? trimmed : `… ${last}`;
}
