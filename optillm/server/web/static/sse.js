// Server-sent events, read from the body of a fetch: `EventSource` can only GET, and hides comments.

/** Turns pieces of text into events `{ event, data }` and comments `{ comment }`; lines may be cut anywhere. */
export class EventParser {
  #rest = "";
  #event = "";
  #data = [];

  /** Take the next piece; return what is complete now. */
  push(piece) {
    const text = this.#rest + piece;
    const held = text.endsWith("\r") ? "\r" : ""; // half of a line's end, perhaps
    const lines = text.slice(0, text.length - held.length).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() + held;
    return lines.flatMap((line) => this.#line(line));
  }

  /** Return what the end of the stream completes: some servers leave out the last empty line. */
  end() {
    return this.push("\n\n");
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    if (line.startsWith(":")) return [{ comment: line.slice(1).trim() }];
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    if (name === "event") this.#event = value;
    return [];
  }

  #dispatch() {
    const event = { event: this.#event || "message", data: this.#data.join("\n") };
    const complete = this.#data.length > 0;
    this.#event = "";
    this.#data = [];
    return complete ? [event] : [];
  }
}

/** Yield the events and comments of a stream of bytes as they come. */
export async function* serverSentEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* parser.push(value);
    }
    yield* parser.end();
  } finally {
    reader.cancel().catch(() => {}); // it may have failed already
  }
}
