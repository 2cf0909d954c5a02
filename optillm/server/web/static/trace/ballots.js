// The ballots as a matrix: judge × candidate, abstentions included.

import { h } from "../dom.js";
import { opens, roving } from "./keys.js";
import { colourOf } from "./model.js";
import { brief, letter, ordinal, score } from "./words.js";

const LONGEST = 60;

/** Return the matrix of all ballots; null where there are none. */
export function ballotMatrix(model, view) {
  const { ballots, candidates } = model.trace;
  if (!ballots.length) return null;
  const columns = candidates.filter((candidate) => ballots.some((ballot) => ballot.shown.includes(candidate.index)));
  const rows = ballots.map((ballot, index) => ballotRow(model, ballot, index, columns, view));
  const folded = rows.slice(LONGEST);
  return roving(h("div", { class: "panel scroll matrix" },
    h("table", null, head(model, columns), h("tbody", null, rows.slice(0, LONGEST)), sums(columns)),
    folded.length > 0 && h("details", { "data-fold": "ballots" }, h("summary", null, `${folded.length} more`), h("table", null, h("tbody", null, folded)))));
}

function head(model, columns) {
  return h("thead", null, h("tr", null, h("th", { scope: "col" }, "ballot"), columns.map((candidate) =>
    h("th", { scope: "col", class: colourOf(model, candidate) }, h("span", { class: "chip" }, letter(candidate.index)),
      candidate.answer !== null && h("span", { class: "column-answer" }, brief(candidate.answer, 14))))));
}

function ballotRow(model, ballot, index, columns, view) {
  const call = model.calls.get(ballot.call);
  const ignored = !ballot.counted && !ballot.unread;
  return h("tr", { class: `${ballot.unread ? "unread" : ""}${ignored ? " ignored" : ""}` },
    h("th", { scope: "row" }, judge(ballot, index, call, view), ignored && h("span", { class: "soft" }, " · not counted")),
    ballot.unread || !columns.length
      ? h("td", { colspan: Math.max(1, columns.length), class: "abstained" }, `abstained: ${brief(ballot.unread ?? "no verdict", 120)}`)
      : columns.map((candidate) => cell(ballot, candidate)));
}

function judge(ballot, index, call, view) {
  const order = ballot.labels || ballot.shown.map(letter).join("");
  const button = h("button", { type: "button", class: "quiet" }, `${ballot.kind === "other" ? call?.role ?? "judge" : ballot.kind} ${index + 1}`);
  opens(button, `ballot-${index}`, () => view.open("call", ballot.call));
  return [button, order && h("span", { class: "soft" }, ` shown ${brief(Array.from(order).join(" "), 30)}`)];
}

function cell(ballot, candidate) {
  if (!ballot.shown.includes(candidate.index)) return h("td", { class: "none" }, h("span", { class: "visually-hidden" }, "not shown"), h("span", { "aria-hidden": "true" }, "·"));
  const mark = ballot.scores?.[candidate.index];
  const rank = rankIn(ballot.order, candidate.index);
  const text = [rank && `${ordinal(rank.position)}${rank.tied ? " =" : ""}`, mark !== undefined && mark !== null && score(mark)].filter(Boolean).join(" · ");
  return h("td", { class: rank?.position === 1 ? "first-rank" : "" }, text || "–");
}

/** Return the position of a candidate in an order of tied groups, and whether it shares it; null if it is not in it. */
export function rankIn(order, index) {
  let before = 0;
  for (const tied of order ?? []) {
    if (tied.includes(index)) return { position: before + 1, tied: tied.length > 1 };
    before += tied.length;
  }
  return null;
}

function sums(columns) {
  if (!columns.some((candidate) => candidate.score !== null)) return null;
  return h("tfoot", null, h("tr", null, h("th", { scope: "row" }, "mark in the end"), columns.map((candidate) => h("td", null, score(candidate.score)))));
}
