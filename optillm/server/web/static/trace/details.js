// What a click on anything shows: prompt, reply, verdict, tokens, times, and why it counts.

import { h } from "../dom.js";
import { candidatesOf, colourOf, flaw, nameOf } from "./model.js";
import { rankIn } from "./ballots.js";
import { brief, count, duration, letter, listed, money, ordinal, plural, score } from "./words.js";

const LONGEST = 60_000;

/** Return the details of one thing: its `title` and its `content`, a list of elements; null if it is not there. */
export function detailsOf(model, kind, id, open) {
  if (kind === "call") return model.calls.has(id) ? callDetails(model, model.calls.get(id), open) : null;
  if (kind === "candidate") return model.candidates.has(id) ? candidateDetails(model, model.candidates.get(id), open) : null;
  return kind === "node" ? nodeDetails(model, ...id, open) : null;
}

function callDetails(model, call, open) {
  const ballot = model.ballots.get(call.id);
  return {
    title: `Call ${call.id} · ${call.role}`,
    content: [
      facts(callFacts(model, call)),
      section("Why it counts", reasons(model, call, ballot)),
      ballot && ballotSection(ballot),
      ...links(model, call, open),
      ...replies(model, call),
      prompt(model, call),
    ],
  };
}

function facts(rows) {
  return h("dl", { class: "details" }, rows.filter(([, value]) => value !== null && value !== false && value !== "").map(([name, value]) => [h("dt", null, name), h("dd", null, h("bdi", null, value))]));
}

function callFacts(model, call) {
  const step = call.step === null ? null : model.trace.steps[call.step]?.name;
  return [
    ["model", [call.upstream, call.model].filter(Boolean).join(" · ")],
    ["state", [call.status, flaw(model, call) === call.status ? null : flaw(model, call)].filter(Boolean).join(", ")],
    ["step", step], ["round", call.round === null ? null : String(call.round)],
    ["after", call.after.length ? `call ${listed(call.after.map(String))}` : null],
    ["started, ended", `${duration(call.start)}, ${duration(call.end)}${call.end === null ? "" : ` (took ${duration(call.end - call.start)})`}`],
    ["queued for", call.queued ? duration(call.queued) : null],
    ["first token", call.first_token === null ? null : duration(call.first_token)],
    ["tokens", tokens(call)], ["cost", call.cost === null ? null : money(call.cost)],
    ["cache", call.cached ? "answered from the cache" : null],
    ["repeats", [call.retries && plural(call.retries, "retry", "retries"), call.repetitions && `hedged by ${plural(call.repetitions, "second request")}`].filter(Boolean).join(", ")],
    ["error", call.error],
  ];
}

function tokens(call) {
  if (call.input_tokens === null && call.output_tokens === null) return null;
  const cached = call.cached_tokens ? ` (${count(call.cached_tokens)} cached)` : "";
  return `${count(call.input_tokens)} in${cached} · ${count(call.output_tokens)} out`;
}

function section(title, content) {
  return content && content.length !== 0 ? h("section", null, h("h3", null, title), content) : null;
}

function reasons(model, call, ballot) {
  const lines = [];
  if (ballot) lines.push(ballot.note ?? (ballot.unread ? `Not counted: ${ballot.unread}` : ballot.counted ? "This ballot was counted." : "This ballot was not counted."));
  for (const candidate of candidatesOf(model, call)) lines.push(standing(model, candidate));
  if (call.status === "cancelled") lines.push("It was cancelled before it ended, so nothing of it was used.");
  if (call.status === "failed") lines.push("It failed, so nothing of it was used.");
  if (call.critical) lines.push("It is on the critical path: the request waited for it.");
  return lines.map((line) => h("p", { class: "text" }, line));
}

function standing(model, candidate) {
  const group = model.groups.find((one) => one.id === candidate.group);
  const name = `Candidate ${nameOf(candidate)}`;
  if (!group) return `${name} gives no answer that could be compared.`;
  const verdict = group.chosen ? "its answer was chosen" : "another answer was chosen";
  const others = group.candidates.length - 1;
  return `${name} ${others ? `shares its answer with ${plural(others, "other")}` : "is alone with its answer"}; ${verdict}.`;
}

function ballotSection(ballot) {
  const order = ballot.order?.map((tied) => tied.map(letter).join(" = ")).join(" > ");
  return section("Verdict", [
    ballot.unread && h("p", null, `Could not be read: ${ballot.unread}`),
    order && h("p", null, h("b", null, order)),
    facts([["shown", ballot.shown.map(letter).join(" ")], ["source", ballot.source]]),
    ballot.verdict !== null && h("pre", null, JSON.stringify(ballot.verdict, null, 2)),
  ]);
}

function links(model, call, open) {
  const candidates = candidatesOf(model, call);
  if (!candidates.length) return [];
  return [section("Candidates", h("div", { class: "row" }, candidates.map((candidate) => candidateLink(model, candidate, open))))];
}

function candidateLink(model, candidate, open) {
  return h("button", { type: "button", class: `chip ${colourOf(model, candidate)}`, onclick: () => open("candidate", candidate.index) }, nameOf(candidate));
}

function replies(model, call) {
  if (call.replies === null) return [model.trace.content ? null : notKept("Reply")];
  return call.replies.map((reply, index) => section(call.replies.length > 1 ? `Reply ${index + 1}` : "Reply", [
    reply.thoughts && h("details", null, h("summary", null, "Thoughts"), longText(reply.thoughts)),
    reply.text ? longText(reply.text) : h("p", { class: "soft" }, "No text."),
    reply.tool_calls && h("pre", null, JSON.stringify(reply.tool_calls, null, 2)),
    reply.finish_reason && reply.finish_reason !== "stop" && h("p", { class: "soft" }, `Ended with: ${reply.finish_reason}`),
  ]));
}

function notKept(title) {
  return section(title, h("p", { class: "soft" }, "Not kept. Start the server with --trace-content to keep prompts and replies."));
}

function prompt(model, call) {
  if (call.prompt === null) return null;
  return h("details", { open: true }, h("summary", null, `Prompt, ${plural(call.prompt.length, "message")}`), call.prompt.map(message));
}

function message(one) {
  return h("div", { class: "message" }, h("b", null, String(one.role ?? "message")), longText(contentText(one.content)), one.tool_calls && h("pre", null, JSON.stringify(one.tool_calls, null, 2)));
}

/** Return the content of a message as text: parts below each other, images by their kind and size. */
export function contentText(content) {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map(partText).join("\n") : JSON.stringify(content);
}

function partText(part) {
  if (typeof part?.text === "string") return part.text;
  const url = part?.image_url?.url;
  if (typeof url === "string") return url.startsWith("data:") ? `[image, ${count(Math.ceil(url.length / 1366))} kB]` : `[image ${brief(url, 200)}]`;
  return `[${brief(JSON.stringify(part), 200)}]`;
}

/** Return a text in a box; a very long one shows its beginning, and the rest when somebody wants it. */
export function longText(text) {
  const box = h("pre", null, text.slice(0, LONGEST));
  if (text.length <= LONGEST) return box;
  const more = h("button", { type: "button", onclick: () => { box.textContent = text; more.remove(); } }, `Show all ${count(text.length)} characters`);
  return [box, more];
}

function candidateDetails(model, candidate, open) {
  const ranks = model.trace.ballots.map((ballot, index) => rankLine(ballot, index, candidate)).filter(Boolean);
  return {
    title: `Candidate ${letter(candidate.index)}`,
    content: [
      facts([["answer", candidate.answer], ["origin", candidate.origin], ["score", candidate.score === null ? null : score(candidate.score)], ["complete", candidate.complete ? "yes" : "no"]]),
      section("Why it counts", [h("p", { class: "text" }, standing(model, candidate)), ranks.length > 0 && h("ul", null, ranks.map((line) => h("li", null, line)))]),
      candidate.call !== null && h("p", null, h("button", { type: "button", onclick: () => open("call", candidate.call) }, `Call ${candidate.call}: its prompt and times`)),
      candidate.text === null ? notKept("Text") : section("Text", longText(candidate.text)),
    ],
  };
}

function rankLine(ballot, index, candidate) {
  if (!ballot.shown.includes(candidate.index)) return null;
  if (ballot.unread) return `Ballot ${index + 1} could not be read.`;
  const rank = rankIn(ballot.order, candidate.index);
  const mark = ballot.scores?.[candidate.index];
  if (!rank && mark === undefined) return null;
  const words = [rank && `${ordinal(rank.position)}${rank.tied ? ", shared" : ""}`, mark !== undefined && `score ${score(mark)}`].filter(Boolean).join(", ");
  return `Ballot ${index + 1}: ${words}${ballot.counted ? "" : " (not counted)"}`;
}

function nodeDetails(model, tree, node, open) {
  const path = tree.best.includes(node.id);
  const candidate = node.candidate === null ? null : model.candidates.get(node.candidate);
  return {
    title: `Node ${node.id} · ${brief(node.label, 30)}`,
    content: [
      facts([["value", score(node.value)], ["visits", count(node.visits)], ["answer", node.answer], ["parent", node.parent === null ? null : String(node.parent)]]),
      section("Why it counts", h("p", null, path ? "It is on the path to the winner." : "It is not on the path to the winner.")),
      h("div", { class: "row" },
        candidate && candidateLink(model, candidate, open),
        node.call !== null && node.call !== undefined && model.calls.has(node.call) && h("button", { type: "button", onclick: () => open("call", node.call) }, `Call ${node.call}`)),
      candidate?.text && section("Text", longText(candidate.text)),
    ],
  };
}
