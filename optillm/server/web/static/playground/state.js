// What a reload keeps: model and expressions in the address, so that a link can be sent to somebody; question and
// system message in this tab only, so that they are in no history. Nothing else is stored.

const KEY = "optillm.playground";
const EXPRESSIONS = ["none", "bon", "moa", "self_consistency(samples=16)"];
export const MOST_COLUMNS = 4;

/** Return what to begin with: `{ model, expressions, question, system, limit }`; a link may hold all of it. */
export function restored() {
  const linked = new URLSearchParams(location.hash.slice(1));
  const kept = stored();
  const expressions = linked.getAll("e").slice(0, MOST_COLUMNS);
  return {
    model: linked.get("model") ?? "",
    expressions: expressions.length ? expressions : EXPRESSIONS,
    question: linked.get("q") ?? kept.question ?? null,
    system: linked.get("system") ?? kept.system ?? "",
    limit: kept.limit ?? "",
  };
}

/** Keep what there is now. */
export function keep({ model, expressions, question, system, limit }) {
  const linked = new URLSearchParams([["model", model], ...expressions.map((expression) => ["e", expression])]);
  history.replaceState(null, "", `#${linked}`);
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ question, system, limit }));
  } catch {
    // A browser that stores nothing forgets the question, and that is all.
  }
}

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}
