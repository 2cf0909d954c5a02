// Builds elements. Whatever a model wrote ends up as text here: nothing in this folder parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Return an HTML element: `h("p", { class: "soft" }, "text", child, …)`; see `filled` for the properties. */
export function h(tag, properties, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** Return an SVG element in the same way. */
export function s(tag, properties, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

// A function is a listener (`onclick`), `true` an empty attribute; null and false are left out, among the children too.
function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
