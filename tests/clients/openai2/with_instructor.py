"""What instructor sees of a proxy: mode, base URL and models in, the fields of each answer as JSON out."""

import json
import os
import sys

import instructor
from openai import OpenAI
from pydantic import BaseModel


class Total(BaseModel):
    """An amount."""

    total: int


class price(BaseModel):  # noqa: N801 - the name of the tool, as the stub calls it
    """The price of one piece of an item."""

    item: str


mode, base_url, *models = sys.argv[1:]
client = instructor.from_openai(
    OpenAI(base_url=base_url, api_key="any", max_retries=0), mode=instructor.Mode[mode]
)
for model in models:
    found = client.chat.completions.create(
        model=model,
        messages=json.loads(os.environ["REQUEST"])["messages"],
        response_model=price if mode == "TOOLS" else Total,
        max_retries=0,
    )
    print(found.model_dump_json())
