// The request page: the parts in their order, the panel beside them, what is kept across redraws.

import { h } from "../dom.js";
import { ballotMatrix } from "./ballots.js";
import { candidateCards } from "./candidates.js";
import { detailsOf } from "./details.js";
import { compositionGraph } from "./graph.js";
import { laneChart, laneLegend } from "./lanes.js";
import { modelOf } from "./model.js";
import { answerSection, decisionList, fineprint, headline, whyBox } from "./story.js";
import { treeChart } from "./tree.js";

const FARTHEST = 16;

/** Show a trace in an element; returns a function that shows a newer document of the same request. */
export function traceView(root, actions = () => null) {
  const state = { model: null, zoom: 1, width: 0, open: null, opener: null };
  const panel = h("aside", { class: "inspector", hidden: true, "aria-label": "Details", tabindex: "-1" });
  const body = h("div", { class: "trace" });
  root.replaceChildren(body, panel);

  const view = {
    get zoom() { return state.zoom; },
    get width() { return Math.max(240, body.clientWidth - labelWidth() - 34); },
    open,
    zoomTo: (zoom) => { state.zoom = Math.min(FARTHEST, Math.max(1, zoom)); draw(); },
  };

  function open(kind, id) {
    const origin = body.contains(document.activeElement) ? document.activeElement.dataset.key : keyOf(kind, id);
    state.opener ??= origin;
    state.open = { kind, id };
    keepInPlace(origin, drawPanel);
    panel.focus({ preventScroll: true });
  }

  // The panel takes room from the page, which then is drawn anew; what somebody has clicked on stays where it was.
  function keepInPlace(key, change) {
    const top = () => body.querySelector(selector(key))?.getBoundingClientRect().top;
    const before = top();
    change();
    if (body.clientWidth !== state.width) draw();
    const after = top();
    if (before !== undefined && after !== undefined) window.scrollBy(0, after - before);
  }

  function draw() {
    state.width = body.clientWidth;
    const kept = keptState(body);
    body.replaceChildren(...parts(state.model, view, actions));
    restoreState(body, kept);
    if (state.open) drawPanel();
  }

  function drawPanel() {
    const { kind, id } = state.open;
    const details = detailsOf(state.model, kind, id, view.open);
    if (!details) return close();
    const scrolled = panel.scrollTop;
    panel.hidden = false;
    panel.replaceChildren(panelHead(details.title), ...details.content.filter(Boolean));
    panel.scrollTop = panel.dataset.shown === `${kind}-${details.title}` ? scrolled : 0;
    panel.dataset.shown = `${kind}-${details.title}`;
    mark(body, state.open);
  }

  function panelHead(title) {
    const calls = state.open.kind === "call" ? [...state.model.calls.keys()] : [];
    const at = calls.indexOf(state.open.id);
    const go = (step, label, sign) => calls.length > 1 && h("button", { type: "button", "aria-label": label, disabled: calls[at + step] === undefined, onclick: () => view.open("call", calls[at + step]) }, sign);
    return h("div", { class: "inspector-head" }, h("h2", null, title), go(-1, "Previous call", "‹"), go(1, "Next call", "›"), h("button", { type: "button", "aria-label": "Close", onclick: close }, "✕"));
  }

  function close() {
    const { opener } = state;
    state.open = state.opener = null;
    keepInPlace(opener, () => { panel.hidden = true; });
    mark(body, null);
    body.querySelector(selector(opener))?.focus({ preventScroll: true });
  }

  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  body.addEventListener("keydown", (event) => { if (event.key === "Escape" && state.open) close(); });
  new ResizeObserver(() => { if (state.model && Math.abs(body.clientWidth - state.width) > 1) draw(); }).observe(body);
  return (trace) => { state.model = modelOf(trace); draw(); };
}

function parts(model, view, actions) {
  const { trace } = model;
  const ballots = ballotMatrix(model, view);
  const trees = trace.trees.filter((tree) => tree.nodes.length > 0);
  return [
    headline(model), whyBox(model), actions(trace),
    ...titled("Where the time went", trace.calls.length > 0 && lanesSection(model, view)),
    ...titled("Techniques at work", trace.composition && trace.composition.nodes.length > 1 && compositionGraph(trace.composition)),
    h("div", { class: ballots ? "columns" : "" }, titledSection("Candidates", trace.candidates.length + trace.groups.length > 1 && candidateCards(model, view, !ballots)), titledSection("Ballots", ballots)),
    ...trees.flatMap((tree) => titled(trees.length > 1 ? `Search tree ${trees.indexOf(tree) + 1}` : "Search tree", treeChart(model, tree, view))),
    ...titled(trace.outcome.runner_up === null ? "The answer" : "The answer and its runner-up", answerSection(model)),
    ...titled("What happened along the way", decisionList(model)),
    fineprint(model),
  ].filter(Boolean);
}

function titled(title, content) {
  return content ? [h("h2", null, title), content] : [];
}

function titledSection(title, content) {
  return content ? h("section", null, titled(title, content)) : null;
}

function lanesSection(model, view) {
  const zoom = (factor, label, sign) => h("button", { type: "button", "aria-label": label, title: label, "data-key": `zoom-${label}`, onclick: () => view.zoomTo(view.zoom * factor) }, sign);
  const chart = laneChart(model, view);
  chart.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    view.zoomTo(view.zoom * (event.deltaY < 0 ? 1.25 : 0.8));
  }, { passive: false });
  return h("div", { class: "panel" }, h("div", { class: "lanes-box scroll", tabindex: "0", role: "group", "aria-label": "Lane chart" }, chart),
    h("div", { class: "lanes-foot" }, laneLegend(model), h("div", { class: "row" }, zoom(0.5, "Zoom out", "−"), zoom(2, "Zoom in", "+"))));
}

function labelWidth() {
  return window.innerWidth < 640 ? 74 : 132;
}

// What a reader has done to the page survives a redraw: focus, scrolling, unfolded parts.
function keptState(body) {
  return {
    focus: body.contains(document.activeElement) ? document.activeElement.dataset.key : undefined,
    scrolls: [...body.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]),
    unfolded: [...body.querySelectorAll("details[data-fold][open]")].map((fold) => fold.dataset.fold),
  };
}

function restoreState(body, { focus, scrolls, unfolded }) {
  for (const name of unfolded) body.querySelector(`details[data-fold="${name}"]`)?.setAttribute("open", "");
  [...body.querySelectorAll(".scroll")].forEach((box, index) => { [box.scrollLeft, box.scrollTop] = scrolls[index] ?? [0, 0]; });
  if (focus) body.querySelector(selector(focus))?.focus({ preventScroll: true });
}

function mark(body, open) {
  for (const element of body.querySelectorAll(".opened")) element.classList.remove("opened");
  if (open) body.querySelector(selector(keyOf(open.kind, open.id)))?.classList.add("opened");
}

function keyOf(kind, id) {
  return kind === "node" ? `node-${id[0].step}-${id[1].id}` : `${kind}-${id}`;
}

function selector(key) {
  return `[data-key="${CSS.escape(key ?? "")}"]`;
}
