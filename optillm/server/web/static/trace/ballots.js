// The ballots as a matrix: judge × candidate, abstentions included.

import { h } from "../dom.js";
import { opens, roving } from "./keys.js";
import { colourOf } from "./model.js";
import { brief, letter, ordinal, score } from "./words.js";

const LONGEST = 60;

/** Return the matrix of all ballots on candidates; null where there are none. */
export function ballotMatrix(model, view) {
  const ballots = model.trace.ballots.map((ballot, index) => ({ ...ballot, index })).filter((ballot) => ballot.shown.length > 0 || ballot.kind === "groups");
  if (!ballots.length) return null;
  const columns = model.trace.candidates.filter((candidate) => ballots.some((ballot) => ballot.shown.includes(candidate.index)));
  const shown = sections(ballots.slice(0, LONGEST));
  const rest = ballots.slice(LONGEST);
  const rows = (some) => some.map((ballot) => ballotRow(model, ballot, columns, view));
  return roving(h("div", { class: "panel scroll matrix" },
    h("table", null, head(columns, model), shown.map(([step, some]) => h("tbody", null, shown.length > 1 && divider(model, step, columns), rows(some))), sums(columns)),
    rest.length > 0 && h("details", { "data-fold": "ballots" }, h("summary", null, `${rest.length} more ballots`), h("table", null, h("tbody", null, rows(rest))))));
}

// Ballots of one step stand together: those of a second vote are about other candidates.
function sections(ballots) {
  const steps = new Map();
  for (const ballot of ballots) steps.set(ballot.step, [...(steps.get(ballot.step) ?? []), ballot]);
  return [...steps];
}

function divider(model, step, columns) {
  const name = step === null ? "without a step" : model.trace.steps[step]?.name ?? "step";
  return h("tr", null, h("th", { scope: "rowgroup", class: "divider", colspan: columns.length + 1 }, brief(name, 40)));
}

function head(columns, model) {
  return h("thead", null, h("tr", null, h("th", { scope: "col" }, "ballot"), columns.map((candidate) =>
    h("th", { scope: "col", class: colourOf(model, candidate) }, h("span", { class: "chip" }, letter(candidate.index)),
      candidate.answer !== null && h("span", { class: "column-answer" }, brief(candidate.answer, 14))))));
}

function ballotRow(model, ballot, columns, view) {
  const ignored = !ballot.counted && !ballot.unread;
  return h("tr", { class: `${ballot.unread ? "unread" : ""}${ignored ? " ignored" : ""}` },
    h("th", { scope: "row" }, judge(model, ballot, view), ignored && h("span", { class: "soft" }, " · not counted")),
    cells(ballot, columns, model.calls.get(ballot.call)));
}

function judge(model, ballot, view) {
  const button = h("button", { type: "button", class: "quiet" }, `${ballot.index + 1} · ${brief(ballot.kind, 16)}`);
  opens(button, `ballot-${ballot.index}`, () => view.open("call", ballot.call));
  const order = ballot.shown.map(letter);
  return [button, order.length > 1 && order.length <= 12 && h("span", { class: "soft order", title: "the order in which the judge was shown the candidates" }, `shown ${order.join(" ")}`)];
}

function cells(ballot, columns, call) {
  const whole = (text, kind) => h("td", { colspan: Math.max(1, columns.length), class: kind }, text);
  if (call?.status === "cancelled") return whole("cancelled before its verdict", "abstained off");
  if (ballot.unread) return whole(`no verdict: ${brief(ballot.unread, 120)}`, "abstained");
  if (ballot.kind === "groups") return whole(groupWords(ballot.verdict), "grouped");
  return columns.map((candidate) => cell(ballot, candidate));
}

// What belongs together by this judge's verdict, in the judge's own letters.
function groupWords(verdict) {
  const groups = (verdict?.groups ?? []).map((group) => [group].flat().join(" = "));
  return brief([groups.join(" | "), verdict?.pick && `picks ${verdict.pick}`].filter(Boolean).join(" · ") || "–", 80);
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
  return h("tfoot", null, h("tr", null, h("th", { scope: "row" }, "final score"), columns.map((candidate) => h("td", null, score(candidate.score)))));
}
