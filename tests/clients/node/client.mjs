// What openai-node sees of a proxy: `node client.mjs <what> <base URL> <model>`, one JSON line out.
import OpenAI, { APIUserAbortError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const [what, baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 });
const { messages, tools } = JSON.parse(process.env.REQUEST);

async function whole() {
  const completion = await client.chat.completions.create({ model, messages });
  const { content } = completion.choices[0].message;
  return { content, usage: completion.usage, technique: completion.optillm?.technique };
}

async function stream() {
  const chunks = await client.chat.completions.create({
    model, messages, stream: true, stream_options: { include_usage: true },
  });
  let content = "", usage = null, role;
  for await (const chunk of chunks) {
    role ??= chunk.choices[0]?.delta.role;
    content += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { content, usage, role };
}

async function parse() {
  const response_format = zodResponseFormat(z.object({ total: z.number().int() }), "total");
  const completion = await client.chat.completions.parse({ model, messages, response_format });
  return completion.choices[0].message.parsed;
}

// The SDK's own loop: it calls the functions until the model answers.
async function agent(streamed) {
  const done = [];
  const shelf = { price: { apple: 2, pear: 3 }, stock: { apple: 9, pear: 4 } };
  const runnable = tools.map(({ function: { name, parameters } }) => ({
    type: "function",
    function: {
      name, parameters, description: name, parse: JSON.parse,
      function: ({ item }) => { done.push([name, { item }]); return String(shelf[name][item]); },
    },
  }));
  const runner = client.chat.completions.runTools({ model, messages, tools: runnable, stream: streamed });
  return { content: await runner.finalContent(), done };
}

// Leaves in the middle: before anything came, or after the first chunk of a stream.
async function abort(streamed) {
  const leaving = new AbortController();
  const options = { signal: leaving.signal };
  if (!streamed) {
    process.stdin.once("data", () => leaving.abort());
    try {
      await client.chat.completions.create({ model, messages }, options);
      return { aborted: false };
    } catch (error) {
      return { aborted: error instanceof APIUserAbortError };
    }
  }
  const chunks = await client.chat.completions.create({ model, messages, stream: true }, options);
  let seen = 0;
  for await (const _ of chunks) { seen += 1; leaving.abort(); }
  return { aborted: leaving.signal.aborted, seen };
}

async function refused() {
  try {
    await client.chat.completions.create({ model, messages });
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, code: error.code, param: error.param };
  }
}

const doing = {
  whole, stream, parse, refused,
  agent: () => agent(false), "agent-stream": () => agent(true),
  abort: () => abort(false), "abort-stream": () => abort(true),
};
console.log(JSON.stringify(await doing[what]()));
process.exit(0);
