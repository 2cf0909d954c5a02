// What requests would take, from the server, before they are sent.

import { ApiError, json, posted } from "./api.js";

/** Asks for the plan of a column; a newer question replaces an older one that is still on its way. */
export class Plans {
  #asking = new Map(); // of each column, what calls its question off

  /** Show a column what its request would take; `assumed` is the length of replies where there is no limit. */
  async show(column, body, assumed) {
    this.#asking.get(column)?.abort();
    const controller = new AbortController();
    this.#asking.set(column, controller);
    const limited = { ...body, stream: false, max_tokens: body.max_tokens ?? assumed };
    delete limited.stream_options;
    try {
      const plan = await json("/v1/plan", posted(limited, controller.signal));
      column.showPlan(plan, body.max_tokens ? null : assumed);
    } catch (error) {
      if (error instanceof ApiError) column.showProblem(error.message);
      else if (error.name !== "AbortError") throw error;
    }
  }
}

/** Return what several worst cases take together; tokens and cost are null if any of them is unknown. */
export function together(worsts) {
  const sum = (values) => (values.includes(null) ? null : values.reduce((total, value) => total + value, 0));
  return {
    calls: sum(worsts.map(({ calls }) => calls)),
    tokens: sum(worsts.map(({ prompt_tokens: prompt, completion_tokens: completion }) => (prompt === null ? null : prompt + completion))),
    cost: sum(worsts.map(({ cost }) => cost)),
  };
}
