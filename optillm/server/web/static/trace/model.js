// The document with what the pictures look up again and again: groups of candidates, their colours, calls by id.

import { h } from "../dom.js";
import { brief, letter } from "./words.js";

const COLOURS = 6;

/** Return a view of a trace document for the pictures; the document itself is not changed. */
export function modelOf(trace) {
  const calls = new Map(trace.calls.map((call) => [call.id, call]));
  const candidates = new Map(trace.candidates.map((candidate) => [candidate.index, candidate]));
  const groups = ranked(trace.groups);
  const ranks = new Map(groups.map((group, rank) => [group.id, rank]));
  const ballots = new Map(trace.ballots.map((ballot, index) => [ballot.call, { ...ballot, index }]));
  const model = { trace, calls, candidates, groups, ranks, ballots };
  return Object.freeze(model);
}

// The chosen group first, then the larger before the smaller.
function ranked(groups) {
  return [...groups].sort((a, b) => b.chosen - a.chosen || b.votes - a.votes || a.id - b.id);
}

/** Return the class that colours a candidate's answer; "" for one without a group. */
export function colourOf(model, candidate) {
  const rank = candidate ? model.ranks.get(candidate.group) : undefined;
  return rank === undefined ? "" : `answer-${rank % COLOURS}`;
}

/** Return the class that colours an answer by what it says; "" for one that no group has. */
export function answerColour(model, answer) {
  const group = answer === null ? undefined : model.groups.find((one) => one.answer === answer);
  return group ? groupColour(model, group) : "";
}

/** Return the class that colours a group. */
export function groupColour(model, group) {
  return `answer-${model.ranks.get(group.id) % COLOURS}`;
}

/** Return the short name of a candidate's answer: what it says, or its letter. */
export function answerOf(candidate) {
  return candidate.answer === null ? letter(candidate.index) : brief(candidate.answer, 40);
}

/** Return the candidates that came of a call. */
export function candidatesOf(model, call) {
  return (call.candidates ?? []).map((index) => model.candidates.get(index)).filter(Boolean);
}

/** Return in words what is amiss with a call, or null: the reasons for which it is hatched. */
export function flaw(model, call) {
  const ballot = model.ballots.get(call.id);
  if (call.status === "cancelled") return "cancelled";
  if (call.status === "failed") return "failed";
  if (call.status === "cancelled") return "cancelled";
  if (ballot?.unread) return "unreadable";
  if (call.repetitions > 0) return "hedged";
  return null;
}

/** Return what a bar says: the answers of a sample, the order of a ballot, else the role. */
export function labelOf(model, call) {
  const ballot = model.ballots.get(call.id);
  if (ballot?.order) return ballot.order.map((tied) => tied.map(letter).join(" = ")).join(" > ");
  if (call.status === "cancelled") return "cancelled";
  if (ballot?.unread) return "unreadable";
  if (ballot?.scores) return Object.entries(ballot.scores).map(([index, value]) => `${letter(+index)} ${Number(value).toFixed(2)}`).join("  ");
  const candidates = candidatesOf(model, call);
  if (candidates.length) return candidates.map((candidate) => nameOf(candidate)).join(", ");
  return call.role;
}

/** Return a sentence with the answer and the runner-up as chips where it names them; any other word stays as it is. */
export function withChips(model, sentence) {
  const runnerUp = model.candidates.get(model.trace.outcome.runner_up);
  const rivals = model.groups.filter((group) => group.chosen || group.id === runnerUp?.group);
  const named = rivals.filter((group) => group.answer !== null && group.answer.length <= 30);
  if (!named.length) return [sentence];
  const longestFirst = named.map((group) => group.answer).sort((a, b) => b.length - a.length);
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}.,])(${longestFirst.map(escaped).join("|")})(?![\\p{L}\\p{N}]|[.,]\\p{N}| of )`, "gu");
  return sentence.split(pattern).map((part, index) => (index % 2 ? answerChip(model, named.find((group) => group.answer === part)) : part));
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function answerChip(model, group) {
  return h("span", { class: `chip ${groupColour(model, group)}` }, group.answer);
}

/** Return a candidate's letter with its answer: "A · 86". */
export function nameOf(candidate) {
  return candidate.answer === null ? letter(candidate.index) : `${letter(candidate.index)} · ${brief(candidate.answer, 40)}`;
}
