// The composition of several techniques as a graph.

import { h, s } from "../dom.js";
import { brief } from "./words.js";

const LETTER = 7.2;

/** Return the picture of a composition. */
export function compositionGraph(composition) {
  const graph = laidOut(composition);
  const { width, height } = graph.graph();
  return h("div", { class: "panel scroll" },
    s("svg", { class: "composition", width: width + 4, height: height + 4, role: "img", "aria-label": `Composition of ${composition.nodes.map((node) => node.label).join(", ")}` },
      s("g", { transform: "translate(2 2)" },
        graph.edges().map((edge) => s("path", { class: "edge", "marker-end": "url(#arrow)", d: line(graph.edge(edge).points) })),
        graph.nodes().map((id) => box(graph.node(id)))),
      s("defs", null, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" }, s("path", { class: "arrow", d: "M0 0L8 4L0 8z" })))));
}

function laidOut(composition) {
  const graph = new globalThis.dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 44 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of composition.nodes) {
    const label = brief(node.label, 40);
    graph.setNode(String(node.id), { label, kind: node.kind, width: Math.max(56, label.length * LETTER + 26), height: 36 });
  }
  for (const [from, to] of composition.edges) graph.setEdge(String(from), String(to));
  globalThis.dagre.layout(graph);
  return graph;
}

function line(points) {
  return `M${points.map((point) => `${point.x} ${point.y}`).join("L")}`;
}

function box(node) {
  return s("g", { class: `box box-${node.kind === "technique" ? "technique" : "joint"}` },
    s("title", null, node.kind),
    s("rect", { x: node.x - node.width / 2, y: node.y - node.height / 2, width: node.width, height: node.height, rx: node.kind === "technique" ? 7 : 18 }),
    s("text", { x: node.x, y: node.y + 4.5, "text-anchor": "middle" }, node.label));
}
