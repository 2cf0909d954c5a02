// Technique expressions, as far as a form needs them: which techniques are in one, and with which options.

const SLUG = /[a-z][a-z0-9_]*/y;

/** Return the techniques in an expression, in order: `{ slug, options: Map of name to text, start, end }`. */
export function techniquesIn(text) {
  const techniques = [];
  let position = 0;
  while (position < text.length) {
    SLUG.lastIndex = position;
    const slug = SLUG.exec(text)?.[0];
    if (slug === undefined) {
      position += 1;
      continue;
    }
    const after = position + slug.length;
    const { options, end } = optionsFrom(text, after);
    techniques.push({ slug, options, start: position, end });
    position = end;
  }
  return techniques;
}

/** Return the expression with an option of its technique number `index` set, or left to its default by "". */
export function withOption(text, index, name, value) {
  const { slug, options, start, end } = techniquesIn(text)[index];
  if (value === "") options.delete(name);
  else options.set(name, value);
  const listed = [...options].map(([option, chosen]) => `${option}=${chosen}`).join(",");
  return text.slice(0, start) + slug + (listed && `(${listed})`) + text.slice(end);
}

// The options in the parentheses that follow a slug; brackets inside them hold lists, and commas of their own.
function optionsFrom(text, position) {
  const options = new Map();
  if (text[position] !== "(") return { options, end: position };
  let depth = 0;
  let begin = position + 1;
  for (let index = begin; index <= text.length; index += 1) {
    const symbol = text[index] ?? ")"; // a parenthesis that is still to be typed
    if (depth === 0 && (symbol === "," || symbol === ")")) {
      const [name, ...value] = text.slice(begin, index).split("=");
      if (name.trim()) options.set(name.trim(), value.join("=").trim());
      begin = index + 1;
      if (symbol === ")") return { options, end: Math.min(index + 1, text.length) };
    } else if ("([".includes(symbol)) depth += 1;
    else if (")]".includes(symbol)) depth -= 1;
  }
  return { options, end: text.length };
}
