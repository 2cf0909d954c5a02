// A message and a title, as LibreChat's server asks for them; its librechat.yaml comes on standard input.
// Prints {text, pieces, usage, title} in one line of JSON.
import { text } from "node:stream/consumers";
import {
  ChatModelStreamHandler, createContentAggregator, GraphEvents, ModelEndHandler, Providers, Run,
} from "@librechat/agents";
import { HumanMessage } from "@librechat/agents/langchain/messages";
import yaml from "js-yaml";
import { configSchema } from "librechat-data-provider";

const [question] = process.argv.slice(2);
const { endpoints } = configSchema.strict().parse(yaml.load(await text(process.stdin)));
const [endpoint] = endpoints.custom;
const asked = (model) => ({
  model, user: "user-1", apiKey: endpoint.apiKey, configuration: { baseURL: endpoint.baseURL },
});

const usage = [];
let pieces = 0;
const { contentParts, aggregateContent } = createContentAggregator();
const handle = (event, data) => {
  if (event === GraphEvents.ON_MESSAGE_DELTA) pieces += 1;
  aggregateContent({ event, data });
};
const run = await Run.create({
  runId: "run-1",
  graphConfig: {
    type: "standard",
    edges: [],
    agents: [{
      agentId: "agent-1",
      provider: Providers.OPENAI,
      reasoningKey: "reasoning_content",
      useLegacyContent: true,
      maxContextTokens: 16000,
      toolDefinitions: [],
      clientOptions: { ...asked(endpoint.models.default[0]), streaming: true, streamUsage: true, usage: true },
    }],
  },
  customHandlers: {
    [GraphEvents.CHAT_MODEL_STREAM]: new ChatModelStreamHandler(),
    [GraphEvents.CHAT_MODEL_END]: new ModelEndHandler(usage),
    [GraphEvents.ON_RUN_STEP]: { handle },
    [GraphEvents.ON_RUN_STEP_DELTA]: { handle },
    [GraphEvents.ON_RUN_STEP_COMPLETED]: { handle },
    [GraphEvents.ON_MESSAGE_DELTA]: { handle },
    [GraphEvents.ON_REASONING_DELTA]: { handle },
  },
});
const configurable = { thread_id: "conversation-1", user_id: "user-1" };
await run.processStream({ messages: [new HumanMessage(question)] }, { configurable, version: "v2", recursionLimit: 50 });
const { title } = await run.generateTitle({
  provider: Providers.OPENAI,
  clientOptions: asked(endpoint.titleModel ?? endpoint.models.default[0]),
  inputText: question,
  contentParts,
  titleMethod: endpoint.titleMethod,
  chainOptions: { runName: "TitleRun", callbacks: [], configurable },
});
console.log(JSON.stringify({ text: contentParts.map((part) => part.text ?? "").join(""), pieces, usage, title }));
