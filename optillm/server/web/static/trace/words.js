// Numbers, names and colours in the form in which the pages show them.

const FAMILIES = {
  generate: ["generate", "sample"],
  judge: ["judge", "ask", "rank", "rate", "compare", "evaluate", "tie"],
  write: ["write", "synthesise", "synthesize", "refine", "repair"],
  verify: ["verify", "examine", "discriminate", "check"],
  solve: ["solve", "formalise", "formalize", "execute", "describe", "regenerate"],
};

/** Return the colour of a role: one of the families above, or "other". */
export function family(role) {
  const words = String(role ?? "").toLowerCase().split(/[^a-z]+/);
  for (const [name, roles] of Object.entries(FAMILIES)) if (words.some((word) => roles.includes(word))) return name;
  return "other";
}

/** Return a duration in seconds as people read it: 2 ms, 0.31 s, 12.4 s, 3 min 5 s; a dash for none. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0995) return `${Number((seconds * 1000).toPrecision(2))} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Return a whole number with separators, or a dash. */
export function count(number) {
  return number === null || number === undefined ? "–" : number.toLocaleString("en-US");
}

/** Return an amount of money with two meaningful digits, or a dash. */
export function money(cost) {
  if (cost === null || cost === undefined) return "–";
  if (cost === 0) return "$0";
  if (cost >= 0.1) return `$${cost.toFixed(2)}`;
  return `$${cost.toFixed(Math.min(10, 1 - Math.floor(Math.log10(cost)))).replace(/0+$/, "")}`;
}

/** Return a score or value with two digits. */
export function score(value) {
  return value === null || value === undefined ? "–" : Number(value).toFixed(2);
}

/** Return "1 call", "7 calls". */
export function plural(number, noun, nouns = `${noun}s`) {
  return `${count(number)} ${number === 1 ? noun : nouns}`;
}

/** Return 1st, 2nd, 3rd, 4th … */
export function ordinal(number) {
  const tens = number % 100;
  const suffix = tens > 10 && tens < 14 ? "th" : ["th", "st", "nd", "rd"][number % 10] ?? "th";
  return `${number}${suffix}`;
}

/** Return the letter of a candidate: A to Z, then A1, B1 … */
export function letter(index) {
  const round = Math.floor(index / 26);
  return String.fromCharCode(65 + (index % 26)) + (round || "");
}

/** Return a text on one line, cut to a number of characters. */
export function brief(text, most = 80) {
  const line = String(text ?? "").replace(/\s+/g, " ").trim();
  const letters = Array.from(line.slice(0, most * 2));
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : line;
}

/** Return letters joined as in speech: A, B and C; of many only the first. */
export function listed(words, most = 6) {
  const shown = words.length > most ? [...words.slice(0, most), `${words.length - most} more`] : words;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
