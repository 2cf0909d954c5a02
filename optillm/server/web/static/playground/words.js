// Numbers and ends of requests in words.

const WHOLE = new Intl.NumberFormat("en");

/** Return a whole number with its thousands apart. */
export function whole(number) {
  return WHOLE.format(number);
}

/** Return a number and the noun it counts. */
export function counted(number, noun) {
  return `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** Return US dollars with two digits that say something. */
export function dollars(amount) {
  if (amount === 0) return "$0";
  return `$${amount >= 1 ? amount.toFixed(2) : Number(amount.toPrecision(2)).toFixed(Math.min(8, 1 - Math.floor(Math.log10(amount))))}`;
}

/** Return seconds with the digits that matter. */
export function seconds(time) {
  return `${time < 10 ? time.toFixed(2) : time.toFixed(1)} s`;
}

const STOPS = {
  complete: "complete",
  settled: "settled early: more calls would hardly change the answer",
  budget: "cut short by the budget, with the best answer so far",
  deadline: "cut short by the deadline, with the best answer so far",
  degraded: "degraded: calls failed or could not be read",
};

/** Return a stop reason in words. */
export function stopWords(reason) {
  return STOPS[reason] ?? reason;
}

const FINISHES = {
  length: "cut off at the token limit",
  content_filter: "stopped by a content filter",
};

/** Return why a reply ended, if that is worth saying. */
export function finishWords(reason) {
  return FINISHES[reason] ?? null;
}
