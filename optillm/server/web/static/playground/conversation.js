// What is sent: the turns so far, as one column sees them, and the question.

/** Return the content of a user turn: text, or parts if there are images. */
export function userContent(question, images) {
  if (!images.length) return question;
  const pictures = images.map((url) => ({ type: "image_url", image_url: { url } }));
  return question ? [{ type: "text", text: question }, ...pictures] : pictures;
}

/**
 * Return the messages of the next request of a column. A turn is `{ question, images, answers, chosen }`, where
 * `answers` maps columns to texts and `chosen` is the column whose answer all go on from, or null: each from its own.
 * A turn in which nobody has answered is left out; a column without an answer takes the first one.
 */
export function messages(turns, column, system, question, images) {
  const history = turns.flatMap((turn) => {
    const answer = turn.answers.get(turn.chosen) ?? turn.answers.get(column) ?? [...turn.answers.values()][0];
    if (answer === undefined) return [];
    return [
      { role: "user", content: userContent(turn.question, turn.images) },
      { role: "assistant", content: answer },
    ];
  });
  const first = system.trim() ? [{ role: "system", content: system }] : [];
  return [...first, ...history, { role: "user", content: userContent(question, images) }];
}

/** Return the body of a chat request; `limit` is the longest reply in tokens, or null. */
export function requestBody(model, expression, listed, limit) {
  return {
    model,
    messages: listed,
    stream: true,
    stream_options: { include_usage: true },
    ...(limit ? { max_tokens: limit } : {}),
    optillm: { approach: expression.trim() || "none", progress: "comments" },
  };
}
