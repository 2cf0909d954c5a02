"""What LiteLLM's SDK sees of a proxy: what, base URL and models in, a line of JSON for each model out."""

import json
import os
import sys
from typing import Any

import litellm
import openai

REQUEST = json.loads(os.environ["REQUEST"])
SHELF = {"price": {"apple": 2, "pear": 3}, "stock": {"apple": 9, "pear": 4}}


def whole(target: Any) -> Any:
    reply = litellm.completion(**target, messages=REQUEST["messages"])
    return {"content": reply.choices[0].message.content, "total_tokens": reply.usage.total_tokens}


def stream(target: Any) -> Any:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(litellm.completion(**target, messages=REQUEST["messages"], **options))
    reply = litellm.stream_chunk_builder(chunks)
    return {"content": reply.choices[0].message.content, "total_tokens": reply.usage.total_tokens}


def agent(target: Any) -> Any:
    messages: list[Any] = [*REQUEST["messages"]]
    done: list[Any] = []
    while True:
        message = litellm.completion(**target, messages=messages, tools=REQUEST["tools"]).choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            return {"content": message.content, "done": done}
        for call in message.tool_calls:
            name, arguments = call.function.name, json.loads(call.function.arguments)
            done.append((name, arguments))
            result = str(SHELF[name][arguments["item"]])
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def refused(target: Any) -> Any:
    try:
        return whole(target)
    except openai.APIStatusError as error:  # what all of LiteLLM's errors are
        return [type(error).__name__, error.status_code]


litellm.suppress_debug_info = True
what, base_url, *models = sys.argv[1:]
doing = {"whole": whole, "stream": stream, "agent": agent, "refused": refused}[what]
for model in models:
    target = {"model": f"openai/{model}", "api_base": base_url, "api_key": "any", "max_retries": 0}
    print(json.dumps(doing(target)))
