// The lane chart: time to the right, one bar per upstream call, in lanes by round.

import { h, s } from "../dom.js";
import { opens, roving } from "./keys.js";
import { flaw, labelOf } from "./model.js";
import { brief, duration, family, plural } from "./words.js";

const TURNS = new Set(["settled", "cut", "budget", "deadline", "degraded"]);
const AXIS = 24;
const GAP = 14;
const MARGIN = 14;
const HEIGHT = 640;
const LETTER = 7.8;

/** Return the lane chart of a trace. `view` holds `width` in pixels, `zoom` (1: all of it) and `open(kind, id)`. */
export function laneChart(model, view) {
  const lanes = arranged(model.trace.calls);
  const height = rowHeight(lanes.rows, view.zoom);
  const width = Math.max(280, view.width) * view.zoom;
  const total = spanOf(model.trace);
  const x = (seconds) => MARGIN + (seconds / total) * (width - 2 * MARGIN);
  const y = tops(lanes.rounds, height);
  const end = y.at(-1);
  const chart = s("svg", { class: "lanes-chart", width, height: end, role: "group", "aria-label": spoken(model.trace, lanes) },
    hatching(), grid(x, total, width, end), turningPoints(model.trace, x, end),
    lanes.rounds.map((round, at) => bars(model, round, { x, top: y[at], height, view })),
    criticalPath(model, lanes, { x, y, height }));
  return h("div", { class: "lane-chart" },
    labels(lanes.rounds, y, height), roving(h("div", { class: "lanes-chart-box" }, axis(x, total, width), chart)));
}

/** Return the calls in rounds, and within a round in rows in which no two overlap. */
export function arranged(calls) {
  const rounds = new Map();
  for (const call of calls) {
    const round = call.round ?? 1;
    if (!rounds.has(round)) rounds.set(round, { round, calls: [], rows: [], row: new Map() });
    assign(rounds.get(round), call);
  }
  const ordered = [...rounds.values()].sort((a, b) => a.round - b.round);
  return { rounds: ordered, rows: ordered.reduce((sum, round) => sum + round.rows.length, 0) };
}

function assign(round, call) {
  const end = call.end ?? Infinity;
  let row = round.rows.findIndex((free) => free <= call.start);
  if (row < 0) row = round.rows.length;
  round.rows[row] = end;
  round.row.set(call.id, row);
  round.calls.push(call);
}

// All rows are to be seen at once as far as that goes; zooming in makes room for words.
function rowHeight(rows, zoom) {
  return Math.min(24, Math.max(4, HEIGHT / rows) * zoom);
}

function spanOf(trace) {
  const ends = trace.calls.map((call) => call.end ?? call.first_token ?? call.start);
  return Math.max(trace.seconds ?? 0, ...ends, 0.001);
}

function tops(rounds, height) {
  const gap = rounds.length > 10 ? GAP / 3 : GAP;
  const tops = [6];
  for (const round of rounds) tops.push(tops.at(-1) + thickness(round, height) + gap);
  return tops;
}

// Room for the label of a round, too: two lines, or one where rows are thin.
function thickness(round, height) {
  return Math.max(round.rows.length * height, height > 16 ? 32 : 15);
}

// The labels stay where they are while the chart scrolls to the right.
function labels(rounds, y, height) {
  return h("div", { class: "lanes-labels", style: { height: `${AXIS + y.at(-1)}px` } },
    rounds.map((round, at) => h("div", { style: { top: `${AXIS + y[at]}px`, height: `${thickness(round, height)}px` } },
      h("div", { class: thickness(round, height) < 32 ? "lanes-label tight" : "lanes-label" }, h("b", null, `round ${round.round}`), " ", h("span", { class: "soft" }, makeUp(round.calls))))));
}

function makeUp(calls) {
  const counts = new Map();
  for (const call of calls) counts.set(call.role, (counts.get(call.role) ?? 0) + 1);
  return [...counts].map(([role, number]) => `${number} × ${brief(role, 20)}`).join(", ");
}

function spoken(trace, lanes) {
  return `${plural(trace.calls.length, "upstream call")} in ${plural(lanes.rounds.length, "round")} over ${duration(trace.seconds)}. Arrow keys move, Enter opens.`;
}

/** Return round numbers from 0 to a total, about as many as asked for. */
export function ticks(total, wanted) {
  const rough = total / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  return Array.from({ length: Math.floor(total / step + 1e-6) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

function axis(x, total, width) {
  const marks = ticks(total, width / 130);
  return s("svg", { class: "lanes-axis", width, height: AXIS, "aria-hidden": "true" },
    marks.map((mark) => s("text", { x: x(mark), y: 15, "text-anchor": mark === 0 ? "start" : "middle" }, mark === 0 ? "0" : tick(mark))));
}

function tick(seconds) {
  return seconds < 1 && Math.round(seconds * 1000) < 100 ? `${Number((seconds * 1000).toPrecision(3))} ms` : `${Number(seconds.toPrecision(6))} s`;
}

function grid(x, total, width, end) {
  return s("g", { class: "grid" }, ticks(total, width / 130).map((mark) => s("line", { x1: x(mark), x2: x(mark), y1: 0, y2: end })));
}

// Where work was cut short or settled: a dashed line each, those of one moment as one.
function turningPoints(trace, x, end) {
  const moments = new Map();
  for (const decision of trace.decisions.filter((one) => TURNS.has(one.kind))) {
    moments.set(decision.at, [...(moments.get(decision.at) ?? []), decision.text]);
  }
  return s("g", { class: "turns" }, [...moments].map(([at, texts]) => s("g", null,
    s("title", null, `${duration(at)}: ${texts.join("; ")}`), s("path", { d: `M${x(at)} 0V${end}` }))));
}

/** Return the patterns with which a picture hatches: stripes in the colour of the ground, over any bar. */
export function hatching() {
  return s("defs", null, s("pattern", { id: "hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    s("rect", { class: "hatch", width: 3.5, height: 7 })));
}

function bars(model, round, layout) {
  return s("g", null, round.calls.map((call) => bar(model, call, { ...layout, top: layout.top + round.row.get(call.id) * layout.height })));
}

function bar(model, call, { x, top, height, view }) {
  const sent = call.sent ?? call.start;
  const left = x(sent);
  const right = Math.max(x(call.end ?? model.trace.seconds ?? spanOf(model.trace)), left + 3);
  const thick = height - (height > 16 ? 5 : height > 8 ? 2 : 1);
  const amiss = flaw(model, call);
  const label = labelOf(model, call);
  const words = sentence(call, label, amiss);
  const shape = { x: left, y: top, width: right - left, height: thick, rx: Math.min(4, thick / 3) };
  const group = s("g", { class: `call role-${family(call.role)}${call.status === "running" ? " running" : ""}`, "aria-label": words },
    s("title", null, words),
    left - x(call.start) > 1.5 && s("line", { class: "waited", x1: x(call.start), x2: left, y1: top + thick / 2, y2: top + thick / 2 }),
    s("rect", { class: "fill", ...shape }),
    amiss && s("rect", { fill: "url(#hatch)", ...shape }),
    call.first_token !== null && s("path", { class: "first-token", d: `M${x(call.first_token)} ${top + thick}v${-Math.min(thick, 5)}` }),
    call.critical && s("rect", { class: "critical", ...shape }),
    thick > 11 && inscription(label, amiss, shape));
  return opens(group, `call-${call.id}`, () => view.open("call", call.id));
}

// A bar says in it what fits.
function inscription(label, amiss, shape) {
  const most = Math.floor((shape.width - 14) / LETTER);
  const text = amiss && !label.startsWith(amiss) ? `${amiss} · ${label}` : label;
  if (most < 2) return null;
  const shown = brief(text, most);
  return [amiss && s("rect", { class: "behind", x: shape.x + 4, y: shape.y + 2, width: Math.min(shape.width - 8, shown.length * LETTER + 10), height: shape.height - 4, rx: 3 }),
    s("text", { class: "inscription", x: shape.x + 8, y: shape.y + shape.height / 2 + 4 }, shown)];
}

function sentence(call, label, amiss) {
  const parts = [`Call ${call.id}, ${call.role}`, label === call.role ? null : label, call.model,
    call.end === null ? "running" : `${duration(call.start)} to ${duration(call.end)}`, amiss, call.critical ? "on the critical path" : null];
  return brief(parts.filter(Boolean).join(" · "), 220);
}

function criticalPath(model, lanes, { x, y, height }) {
  const top = new Map();
  lanes.rounds.forEach((round, at) => { for (const call of round.calls) top.set(call.id, y[at] + round.row.get(call.id) * height); });
  const path = model.trace.critical_path.map((id) => model.calls.get(id)).filter((call) => call && call.end !== null);
  const middle = (height - 4) / 2;
  return s("g", { class: "critical-links" }, path.slice(1).map((call, index) => {
    const from = [x(path[index].end), top.get(path[index].id) + middle];
    const to = [x(call.sent ?? call.start), top.get(call.id) + middle];
    return s("path", { d: `M${from[0]} ${from[1]}C${from[0] + 12} ${from[1]} ${to[0] - 12} ${to[1]} ${to[0]} ${to[1]}` });
  }));
}

/** Return what the colours and signs of the chart mean: only those that occur in this trace. */
export function laneLegend(model) {
  const roles = new Map(model.trace.calls.map((call) => [family(call.role), call.role]));
  const flaws = new Set(model.trace.calls.map((call) => flaw(model, call)).filter(Boolean));
  const sign = (name, text) => h("span", null, h("i", { class: `sign ${name}` }), text);
  return h("div", { class: "legend" },
    [...roles].map(([name, role]) => sign(`role-${name}`, name === "other" ? brief(role, 24) : name)),
    model.trace.critical_path.length > 0 && sign("sign-critical", "critical path: what the request waited for"),
    flaws.size > 0 && sign("sign-hatched", [...flaws].join(", ")),
    model.trace.decisions.some((decision) => TURNS.has(decision.kind)) && sign("sign-turn", "settled or cut short"),
    model.trace.calls.some((call) => call.first_token !== null) && sign("sign-token", "first token"),
    model.trace.calls.some((call) => (call.queued ?? 0) > 0.02) && sign("sign-waited", "waited for its turn"));
}
