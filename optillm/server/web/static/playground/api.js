// The calls of the API that the playground makes.

import { serverSentEvents } from "../sse.js";

/** An error in the server's own words, or about a server that cannot be reached. */
export class ApiError extends Error {
  constructor({ message, code = null, status = null }) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Return the JSON that an endpoint replies; throws an `ApiError`. */
export async function json(path, options = {}) {
  const response = await reached(path, options);
  if (!response.ok) throw await failure(response);
  return response.json();
}

/** POST a body as JSON. */
export function posted(body, signal) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
}

/**
 * Send a chat request and yield what arrives, in order: `{ trace }` once, then `{ text }`, `{ thoughts }`, `{ note }`
 * pieces, `{ finish }` (why the reply ended), `{ usage }` and `{ report }`. Throws an `ApiError`, or an AbortError.
 */
export async function* chat(body, signal) {
  const response = await reached("/v1/chat/completions", posted(body, signal));
  yield { trace: response.headers.get("x-optillm-trace") };
  if (!response.ok) throw await failure(response);
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
    yield* parts(await response.json());
    return;
  }
  try {
    for await (const { comment, data } of serverSentEvents(response.body)) {
      if (data === "[DONE]") return;
      if (data !== undefined) yield* parts(chunk(data));
      else if (comment && comment !== "keep-alive") yield { note: comment };
    }
  } catch (error) {
    throw error instanceof TypeError ? new ApiError({ message: "The connection to the server broke off." }) : error;
  }
}

function chunk(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new ApiError({ message: `The stream holds an event that is no JSON: ${data.slice(0, 200)}` });
  }
}

// A chunk of a stream, or a whole reply from an upstream that does not stream.
function* parts(object) {
  if (object?.error) throw new ApiError(object.error.message ? object.error : { message: String(object.error) });
  const choice = object?.choices?.find((one) => (one.index ?? 0) === 0);
  const message = choice?.delta ?? choice?.message ?? {};
  const thoughts = message.reasoning_content ?? message.reasoning;
  if (typeof thoughts === "string" && thoughts) yield { thoughts };
  if (typeof message.content === "string" && message.content) yield { text: message.content };
  if (typeof message.refusal === "string" && message.refusal) yield { text: message.refusal };
  if (choice?.finish_reason) yield { finish: choice.finish_reason };
  if (object?.usage) yield { usage: object.usage };
  if (object?.optillm) yield { report: object.optillm };
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({ message: "The server cannot be reached. Is it still running?" });
  }
}

async function failure(response) {
  const text = await response.text();
  try {
    return new ApiError({ ...JSON.parse(text).error, status: response.status });
  } catch {
    return new ApiError({ message: text.slice(0, 500) || response.statusText, status: response.status });
  }
}
