// One column: the expression it asks with, the options of its techniques, and what a request would take at most.

import { h } from "../dom.js";
import { techniquesIn, withOption } from "./expression.js";
import { OptionsForm } from "./options_form.js";
import { counted, dollars, whole } from "./words.js";

const OTHER = "other";

/** `changed(column)` hears of another expression, `removed(column)` of the button that removes the column. */
export class Column {
  worst = null; // the plan's worst case, null if there is no plan
  #declared;
  #changed;
  #techniques = [];
  #form = new OptionsForm((index, name, value) => this.#set(withOption(this.expression, index, name, value)));
  #choice = h("select", { onchange: () => this.#choose() });
  #input = h("input", { class: "mono", autocomplete: "off", spellcheck: "false", autocapitalize: "off", oninput: () => this.#set(this.#input.value) });
  #options = h("details", {}, h("summary", {}, "Options"), this.#form.element);
  #plan = h("p", { class: "plan soft" });

  constructor(id, expression, declared, changed, removed) {
    this.id = id;
    this.#declared = declared;
    this.#changed = changed;
    const names = [...declared.values()].map(({ slug, name }) => h("option", { value: slug }, name));
    this.#choice.append(h("option", { value: "none" }, "Plain"), ...names, h("option", { value: OTHER }, "Other expression"));
    this.element = h("section", { class: "panel column" },
      h("div", { class: "row spread" },
        h("label", {}, "Technique", this.#choice),
        h("button", { type: "button", class: "quiet remove", title: "Remove this column", onclick: () => removed(this) }, "×")),
      h("label", { class: "wide" }, "Expression", this.#input),
      this.#plan,
      this.#options);
    this.#input.value = expression;
    this.#show();
  }

  /** The expression; a plain request if none is written. */
  get expression() {
    return this.#input.value.trim() || "none";
  }

  /** Name the column by its number, for those who do not see where it is. */
  number(number, only) {
    this.element.setAttribute("aria-label", `Column ${number}`);
    const button = this.element.querySelector(".remove");
    button.setAttribute("aria-label", `Remove column ${number}`);
    button.hidden = only;
  }

  /** Show what a request would take; `assumed` is the length of replies that was assumed, null if there is a limit. */
  showPlan(plan, assumed) {
    this.worst = plan.worst_case;
    this.#form.showDefaults(this.#techniques, plan.asked ?? plan.options);
    this.#input.removeAttribute("aria-invalid");
    const { calls, rounds, prompt_tokens: prompt, completion_tokens: completion, cost } = plan.worst_case;
    const takes = [`${counted(calls, "call")} in ${counted(rounds, "round")}`];
    if (prompt !== null) takes.push(`${whole(prompt + completion)} tokens${assumed ? "*" : ""}`);
    if (cost !== null) takes.push(dollars(cost));
    this.#plan.className = "plan soft";
    this.#plan.replaceChildren("At most ", h("b", {}, takes.join(" · ")), ...remarks(plan).map((remark) => h("span", { class: "remark" }, remark)));
  }

  /** Show why there is no plan, in the server's words. */
  showProblem(message) {
    this.worst = null;
    this.#input.setAttribute("aria-invalid", "true");
    this.#plan.className = "plan bad";
    this.#plan.textContent = message;
  }

  /** Put the cursor into the expression. */
  focus() {
    this.#input.focus();
  }

  #choose() {
    if (this.#choice.value === OTHER) this.#input.focus();
    else this.#set(this.#choice.value);
  }

  #set(expression) {
    if (this.#input.value !== expression) this.#input.value = expression;
    this.#show();
    this.#changed(this);
  }

  #show() {
    const techniques = techniquesIn(this.expression);
    const same = techniques.map(({ slug }) => slug).join() === this.#techniques.map(({ slug }) => slug).join();
    this.#techniques = techniques;
    if (same) this.#form.fill(techniques);
    else this.#form.build(techniques, this.#declared);
    this.#options.hidden = !this.#form.element.hasChildNodes();
    const [only] = techniques;
    const single = techniques.length === 1 && only.start === 0 && only.end === this.expression.length;
    const listed = single && (only.slug === "none" || this.#declared.has(only.slug));
    this.#choice.value = listed ? only.slug : OTHER;
  }
}

function remarks(plan) {
  const bypassed = plan.bypassed && `It would be a single plain call: ${plan.bypassed}.`;
  const smaller = plan.asked && "Options were reduced to fit the budget.";
  const tight = !plan.fits && Object.values(plan.budget).some((bound) => bound !== null) && over(plan);
  return [bypassed, smaller, tight].filter(Boolean);
}

// A bound is only named if the worst case is known to be beyond it.
function over({ worst_case: worst, budget }) {
  const tokens = worst.prompt_tokens === null ? null : worst.prompt_tokens + worst.completion_tokens;
  const beyond = [
    worst.calls > (budget.max_calls ?? Infinity) && `${counted(budget.max_calls, "call")}`,
    tokens !== null && tokens > (budget.max_tokens ?? Infinity) && `${whole(budget.max_tokens)} tokens`,
    worst.cost !== null && worst.cost > (budget.max_cost ?? Infinity) && dollars(budget.max_cost),
  ].filter(Boolean);
  return beyond.length ? `The budget may cut it short: ${beyond.join(", ")}.` : null;
}
