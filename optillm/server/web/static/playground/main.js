// The playground: columns with expressions, turns with answers, and the form that asks.

import { h } from "../dom.js";
import { ApiError, json } from "./api.js";
import { Column } from "./column.js";
import { messages, requestBody } from "./conversation.js";
import { Images } from "./images.js";
import { Plans, together } from "./plans.js";
import { keep, MOST_COLUMNS, restored } from "./state.js";
import { Turn } from "./turn.js";
import { counted, dollars, whole } from "./words.js";

const EXAMPLE = "Tom has 5 bags with 12 marbles each. He gives away 17 marbles and then doubles what he has. How many marbles does he have?";
const ASSUMED = 1000; // tokens of a reply that plans count with where the reader sets no limit
const PAUSE = 500; // milliseconds without typing until plans are asked for

const at = (id) => document.getElementById(id);
const [model, system, limit, question] = ["model", "system", "limit", "question"].map(at);
const plans = new Plans();
const images = new Images(at("images"), () => replan(), complain);
let declared = new Map(); // techniques by slug
let columns = [];
let turns = [];
let numbered = 0;
let waiting = null; // the timer of the next plans

async function begin() {
  const state = restored();
  try {
    const { data } = await json("/v1/techniques");
    declared = new Map(data.map((technique) => [technique.slug, technique]));
  } catch (error) {
    problem(error);
  }
  model.value = state.model || at("playground").dataset.model;
  question.value = state.question ?? EXAMPLE;
  system.value = state.system;
  limit.value = state.limit;
  at("more").open = Boolean(state.system || state.limit);
  state.expressions.filter(usable).forEach(addColumn);
  if (!columns.length) addColumn("none");
  at("playground").hidden = false;
  listen();
  planAll();
  suggestModels();
}

// The defaults hold techniques that this reader's key may not use; what a link holds is for the server to refuse.
function usable(expression) {
  const slug = expression.match(/^\w+/)?.[0];
  return slug === "none" || !declared.size || location.hash || declared.has(slug);
}

function listen() {
  at("add").addEventListener("click", () => addColumn("none").focus());
  at("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  at("stop").addEventListener("click", stop);
  at("restart").addEventListener("click", restart);
  for (const field of [model, system, limit, question]) field.addEventListener("input", replan);
  images.listen(at("files"), question, at("composer"));
  question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("composer").requestSubmit();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && running()) stop(); });
}

async function suggestModels() {
  try {
    const { data } = await json("/v1/models");
    const names = data.filter(({ owned_by: owner }) => owner !== "optillm").map(({ id }) => id);
    at("models").replaceChildren(...names.map((id) => h("option", { value: id })));
    if (!model.value && names.length) {
      [model.value] = names;
      planAll();
    }
  } catch (error) {
    problem(error); // the reader may know a model's name all the same
  }
}

function addColumn(expression) {
  const column = new Column((numbered += 1), expression, declared, replan, removeColumn);
  columns.push(column);
  at("columns").append(column.element);
  renumber();
  if (!at("playground").hidden) plan(column);
  return column;
}

function removeColumn(column) {
  columns = columns.filter((other) => other !== column);
  column.element.remove();
  renumber();
  at("add").focus();
}

function renumber() {
  columns.forEach((column, index) => column.number(index + 1, columns.length === 1));
  at("add").disabled = columns.length >= MOST_COLUMNS;
  save();
  total();
}

// Plans.

function replan(column = null) {
  save();
  clearTimeout(waiting);
  waiting = setTimeout(() => (column instanceof Column ? plan(column) : planAll()), PAUSE);
}

function planAll() {
  columns.forEach(plan);
}

async function plan(column) {
  if (!model.value.trim()) return;
  await plans.show(column, body(column), ASSUMED);
  total();
}

function total() {
  const worsts = columns.map(({ worst }) => worst);
  if (worsts.includes(null)) {
    at("total").textContent = "";
    return;
  }
  const { calls, tokens, cost } = together(worsts);
  const assumed = tokens !== null && !limit.value;
  const takes = [counted(calls, "call"), tokens !== null && `${whole(tokens)} tokens${assumed ? "*" : ""}`, cost === null ? "price unknown" : dollars(cost)];
  const note = assumed ? ` (*if no reply is longer than ${whole(ASSUMED)} tokens)` : "";
  at("total").textContent = `In total at most ${takes.filter(Boolean).join(" · ")}${note}`;
}

// Requests.

function body(column) {
  const listed = messages(turns, column.id, system.value, question.value || "…", images.urls);
  return requestBody(model.value.trim(), column.expression, listed, Number(limit.value) || null);
}

async function send() {
  if (running()) return;
  complain(missing());
  if (missing()) return;
  clearTimeout(waiting);
  const requests = columns.map((column) => ({ column: column.id, expression: column.expression, body: body(column) }));
  turns.at(-1)?.settle();
  const turn = new Turn(question.value, images.urls, progress);
  turns.push(turn);
  at("turns").append(turn.element);
  const sent = turn.send(requests);
  at("turns").after(at("composer")); // what comes next is asked below the answers
  question.focus();
  question.value = "";
  images.clear();
  progress();
  turn.element.scrollIntoView({ block: "start" });
  await sent;
  planAll();
}

function missing() {
  if (!model.value.trim()) return "Enter the name of a model first.";
  if (!question.value.trim() && !images.urls.length) return "Enter a question first.";
  return "";
}

function stop() {
  turns.at(-1)?.stop();
  question.focus();
}

function restart() {
  stop();
  turns = [];
  at("turns").replaceChildren();
  at("set-up").before(at("composer"));
  question.focus();
  progress();
  planAll();
}

function running() {
  return (turns.at(-1)?.progress.running ?? 0) > 0;
}

function progress() {
  const turn = turns.at(-1);
  const { all, running: left } = turn?.progress ?? { all: 0, running: 0 };
  at("playground").classList.toggle("asked", Boolean(turn));
  at("composer").setAttribute("aria-busy", String(left > 0));
  at("send").disabled = left > 0;
  at("stop").disabled = left === 0;
  at("restart").hidden = !turn;
  at("status").textContent = !turn ? "" : left ? `${all - left} of ${counted(all, "answer")} finished` : "All answers are finished";
  at("continuation").hidden = !turn;
  at("continuation").textContent = turn?.chosenName
    ? `The next question continues from the answer of ${turn.chosenName} in all columns.`
    : "The next question continues from each column’s own answer.";
}

// What is kept, and what is wrong.

function save() {
  const expressions = columns.map(({ expression }) => expression);
  const kept = question.value || (turns.at(-1)?.question ?? ""); // answers do not outlive the page: its question does
  keep({ model: model.value, expressions, question: kept, system: system.value, limit: limit.value });
}

function complain(message) {
  at("composer-error").hidden = !message;
  at("composer-error").textContent = message;
}

function problem(error) {
  if (!(error instanceof ApiError)) throw error;
  at("set-up-error").hidden = false;
  at("set-up-error").replaceChildren(error.message, error.status === 401 ? h("a", { href: "/sign-in?next=/playground" }, " Sign in") : "");
}

begin();
