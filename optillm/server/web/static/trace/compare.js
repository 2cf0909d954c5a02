// Two texts beside each other, with the words marked that only one of them has.

import { h } from "../dom.js";

const MOST = 4_000_000;

/** Return the differences of two texts as `[kind, text]` with the kinds "same", "removed" and "added"; null if too long. */
export function wordDiff(before, after) {
  const [a, b] = [pieces(before), pieces(after)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const middle = between(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return middle && merged([["same", a.slice(0, start)], ...middle, ["same", a.slice(a.length - end)]]);
}

// Numbers whole, words, runs of blanks, and single other characters.
function pieces(text) {
  return text.match(/\p{N}+(?:[.,]\p{N}+)+|[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
}

// The longest common subsequence by its table of lengths, read from the front.
function between(a, b) {
  if (a.length * b.length > MOST) return null;
  const wide = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * wide);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * wide + j] = a[i] === b[j] ? lengths[(i + 1) * wide + j + 1] + 1 : Math.max(lengths[(i + 1) * wide + j], lengths[i * wide + j + 1]);
    }
  }
  return read(a, b, lengths, wide);
}

function read(a, b, lengths, wide) {
  const steps = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { steps.push(["same", [a[i]]]); i += 1; j += 1; }
    else if (j >= b.length || (i < a.length && lengths[(i + 1) * wide + j] >= lengths[i * wide + j + 1])) { steps.push(["removed", [a[i]]]); i += 1; }
    else { steps.push(["added", [b[j]]]); j += 1; }
  }
  return steps;
}

function merged(steps) {
  const runs = [];
  for (const [kind, words] of steps) {
    if (!words.length) continue;
    if (runs.at(-1)?.[0] === kind) runs.at(-1)[1].push(...words);
    else runs.push([kind, [...words]]);
  }
  return runs.map(([kind, words]) => [kind, words.join("")]);
}

/** Return two panels with a text each, `{ title, text }`; what one has and the other has not is marked in both. */
export function sideBySide(left, right) {
  const steps = wordDiff(left.text, right.text);
  const side = (one, own, mark) => h("section", { class: "panel side" }, h("h3", null, one.title),
    h("div", { class: "text long" }, steps ? marked(steps, own, mark) : one.text));
  return h("div", null, h("div", { class: "columns" }, side(left, "removed", "del"), side(right, "added", "ins")),
    !steps && h("p", { class: "soft" }, "The texts are too long for their differences to be marked."));
}

// Blanks alone are no difference that anybody wants to see.
function marked(steps, own, mark) {
  return steps.filter(([kind]) => kind === "same" || kind === own)
    .map(([kind, text]) => (kind === own && text.trim() ? h("mark", { class: mark }, text) : text));
}
