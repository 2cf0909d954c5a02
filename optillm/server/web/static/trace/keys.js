// Keyboard and pointer for things in pictures: one tab stop per picture, arrows inside it, Enter opens.

/** Make an element open something on a click, Enter or Space; `key` names it across redraws. */
export function opens(element, key, open) {
  element.setAttribute("tabindex", "-1");
  element.setAttribute("role", "button");
  element.dataset.key = key;
  element.addEventListener("click", () => open(element));
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open(element);
  });
  return element;
}

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/** Let the arrow keys, Home and End move among the openable things of a picture. */
export function roving(picture) {
  const items = [...picture.querySelectorAll("[data-key]")];
  items[0]?.setAttribute("tabindex", "0");
  picture.addEventListener("keydown", (event) => {
    const current = items.indexOf(event.target);
    const next = destination(event.key, current, items.length);
    if (current < 0 || next === null) return;
    event.preventDefault();
    items[next].focus();
  });
  picture.addEventListener("focusin", (event) => {
    if (!items.includes(event.target)) return;
    for (const item of items) if (item.getAttribute("tabindex") === "0") item.setAttribute("tabindex", "-1");
    event.target.setAttribute("tabindex", "0");
  });
  return picture;
}

function destination(key, current, length) {
  if (key === "Home") return 0;
  if (key === "End") return length - 1;
  if (!(key in STEPS)) return null;
  return Math.min(length - 1, Math.max(0, current + STEPS[key]));
}
