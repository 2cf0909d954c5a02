// A search tree: values, visits, and the path to the winner.

import { h, s } from "../dom.js";
import { opens, roving } from "./keys.js";
import { answerColour, colourOf } from "./model.js";
import { brief, plural, score } from "./words.js";

const ROW = 44;
const DENSE = 24;
const FEW = 14;
const COLUMN = 150;
const EDGE = 30;

/** Return the picture of one search tree, root to the left. */
export function treeChart(model, tree, view) {
  const row = leaves(tree) > FEW ? DENSE : ROW;
  const root = arrangement(tree, row);
  const nodes = root.descendants();
  const highest = Math.min(...nodes.map((node) => node.x));
  const height = Math.max(...nodes.map((node) => node.x)) - highest + 2 * EDGE;
  const width = Math.max(...nodes.map((node) => node.y)) + COLUMN + EDGE;
  const best = new Set(tree.best);
  const at = (node) => [node.y + EDGE, node.x - highest + EDGE];
  const most = Math.max(1, ...tree.nodes.map((node) => node.visits ?? 0));
  const chart = s("svg", { class: "tree", width, height, role: "group", "aria-label": `${tree.kind ?? "Search tree"}: ${plural(tree.nodes.length, "node")}. Arrow keys move, Enter opens.` },
    root.links().map((link) => edge(at(link.source), at(link.target), best.has(link.target.data.id))),
    nodes.map((node) => vertex(model, tree, node.data, at(node), best.has(node.data.id), { most, row, view })));
  return roving(h("div", { class: "panel scroll tree-box" }, chart));
}

// Nodes without a parent that is in the list hang below a root of their own, which is not shown as visited.
function arrangement(tree, row) {
  const ids = new Set(tree.nodes.map((node) => node.id));
  const roots = tree.nodes.filter((node) => !ids.has(node.parent));
  const children = new Map();
  for (const node of tree.nodes) children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
  const top = roots.length === 1 ? roots[0] : { id: "root", label: "root", visits: null, value: null, candidate: null, answer: null, call: null, children: roots };
  const hierarchy = globalThis.d3.hierarchy(top, (node) => node.children ?? children.get(node.id));
  return globalThis.d3.tree().nodeSize([row, COLUMN]).separation(() => 1)(hierarchy);
}

function leaves(tree) {
  const parents = new Set(tree.nodes.map((node) => node.parent));
  return tree.nodes.filter((node) => !parents.has(node.id)).length;
}

function edge([x1, y1], [x2, y2], best) {
  const middle = (x1 + x2) / 2;
  return s("path", { class: best ? "edge best" : "edge", d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}` });
}

// Where there are many, a node's numbers stand beside its name instead of below it.
function vertex(model, tree, node, [x, y], best, { most, row, view }) {
  const candidate = node.candidate === null ? null : model.candidates.get(node.candidate);
  const radius = row / 9 + (row / 5) * Math.sqrt((node.visits ?? 0) / most);
  const beside = x + radius + 5;
  const words = [node.value !== null && score(node.value), node.visits !== null && `${node.visits}×`].filter(Boolean).join(" · ");
  const name = node.answer ?? node.label;
  const group = s("g", { class: `vertex ${candidate ? colourOf(model, candidate) : answerColour(model, node.answer)}${best ? " best" : ""}`, "aria-label": `${node.label}, ${node.answer === null ? "" : `answer ${brief(node.answer, 60)}, `}value ${score(node.value)}, ${plural(node.visits ?? 0, "visit")}${best ? ", on the path to the winner" : ""}` },
    s("title", null, `${node.label} · ${words}`),
    s("rect", { class: "target", x: x - radius, y: y - row / 2, width: COLUMN - EDGE, height: row }),
    s("circle", { cx: x, cy: y, r: radius }),
    row === ROW
      ? [s("text", { class: "name", x: beside, y: y - 1 }, brief(name, 14)), s("text", { class: "soft", x: beside, y: y + 13 }, words)]
      : s("text", { class: "name", x: beside, y: y + 4 }, brief(name, 7), " ", s("tspan", { class: "soft" }, words)));
  return opens(group, `node-${tree.step}-${node.id}`, () => view.open("node", [tree, node]));
}
