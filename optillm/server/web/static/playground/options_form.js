// The options of a technique as a form, made from its declaration. What is left empty is the server's default.

import { h } from "../dom.js";

let numbered = 0; // fields so far: labels name their fields by ids

/** The fields of the techniques in one expression; `changed(index, name, value)` hears of what is set by hand. */
export class OptionsForm {
  element = h("div", { class: "options" });
  #fields = []; // of each technique, a Map of option to input
  #changed;

  constructor(changed) {
    this.#changed = changed;
  }

  /** Make the fields for these techniques, of which `declared` has the declarations by slug. */
  build(techniques, declared) {
    this.#fields = techniques.map(() => new Map());
    const fieldsets = techniques.map(({ slug }, index) => this.#fieldset(index, declared.get(slug)));
    this.element.replaceChildren(...fieldsets.filter(Boolean));
    this.fill(techniques);
  }

  /** Show the values that an expression sets, except where somebody is typing. */
  fill(techniques) {
    techniques.forEach(({ options }, index) => {
      for (const [name, input] of this.#fields[index]) {
        if (input !== document.activeElement) input.value = options.get(name) ?? "";
      }
    });
  }

  /** Show which values hold where none is set: `options` of a plan, by slug if there are several techniques. */
  showDefaults(techniques, options) {
    techniques.forEach(({ slug, options: set }, index) => {
      const effective = (techniques.length === 1 ? options : options[slug]) ?? {};
      for (const [name, input] of this.#fields[index]) {
        if (!set.has(name) && name in effective) showDefault(input, effective[name]);
      }
    });
  }

  #fieldset(index, technique) {
    if (!technique || !Object.keys(technique.options).length) return null;
    const fields = Object.entries(technique.options).map(([name, schema]) => this.#field(index, name, schema));
    return h("fieldset", {}, h("legend", {}, technique.name), fields);
  }

  #field(index, name, schema) {
    const input = control(schema);
    input.addEventListener("input", () => this.#changed(index, name, input.value.trim()));
    this.#fields[index].set(name, input);
    showDefault(input, schema.default);
    input.id = `option-${(numbered += 1)}`;
    input.setAttribute("aria-describedby", `${input.id}-help`);
    return h("div", { class: "field" },
      h("label", { for: input.id }, h("span", {}, h("code", {}, name), bounds(schema))),
      input,
      h("small", { id: `${input.id}-help`, class: "soft" }, schema.description ?? ""));
  }
}

function control(schema) {
  const choices = schema.enum ?? (schema.type === "boolean" ? ["true", "false"] : null);
  if (choices) return h("select", {}, h("option", { value: "" }), choices.map((choice) => h("option", {}, String(choice))));
  if (schema.type === "integer" || schema.type === "number") {
    const step = schema.type === "integer" ? 1 : "any";
    return h("input", { type: "number", min: schema.minimum, max: schema.maximum, step });
  }
  return h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
}

function showDefault(input, value) {
  const words = value === null || value === undefined ? "none" : Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
  if (input.tagName === "SELECT") input.options[0].textContent = `default: ${words}`;
  else input.placeholder = words;
}

function bounds(schema) {
  const { minimum, maximum } = schema;
  if (minimum === undefined && maximum === undefined) return null;
  return h("span", { class: "soft" }, ` ${minimum ?? ""} to ${maximum ?? ""}`);
}
