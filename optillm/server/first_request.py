"""A first request for a newcomer, as a command and as programs, with what this server needs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from optillm.config.settings import OPENAI_URL

if TYPE_CHECKING:
    from optillm.config.settings import Settings

QUESTION: Final = "What is 48 / 4 + 7 * 13?"
SOME_MODEL: Final = "YOUR-MODEL"
"""Stands for a model's name where none is known."""
ANY_KEY: Final = "none needed here"
"""What programs send as their key where none is needed: the SDKs refuse to begin without one."""

_IMPORT_OS: Final = "import os\n\n"


@dataclass(frozen=True, slots=True)
class FirstRequest:
    """What a first request has to say.

    `technique` goes in front of the model's name, `None` if the server chooses it; `model` is `None` if the settings
    do not say which models there are; `key` is the environment variable that holds the key, `None` if none is needed.
    """

    technique: str | None
    model: str | None
    key: str | None

    @classmethod
    def of(cls, settings: Settings, techniques: Collection[str]) -> FirstRequest:
        """Return the request that fits a server's settings and the techniques that may be used."""
        upstream = settings.upstreams()[0]
        openai = upstream.base_url == OPENAI_URL
        named = openai or settings.demo == "on" or "model" in settings.model_fields_set
        technique = next(iter(techniques), None) if settings.approach == "auto" else None
        key = None
        if settings.wants_key:  # one key alone is in the variable as it is sent
            key = "OPTILLM_API_KEY" if len(settings.optillm_api_key) == 1 else "YOUR_KEY"
        elif openai and not upstream.key:
            key = "OPENAI_API_KEY"
        return cls(technique, settings.model if named else None, key)

    @property
    def full_model(self) -> str:
        """Return the model's name with the technique in front of it."""
        model = self.model or SOME_MODEL
        return f"{self.technique}-{model}" if self.technique else model

    @property
    def body(self) -> dict[str, Any]:
        """Return the body of the chat request."""
        return {"model": self.full_model, "messages": [{"role": "user", "content": QUESTION}]}

    def curl(self, base_url: str) -> str:
        """Return the request as a command for a shell."""
        header = f' \\\n  -H "Authorization: Bearer ${self.key}"' if self.key else ""
        return (
            f"curl -s {shlex.quote(f'{base_url}/chat/completions')} \\\n"
            f"  -H 'Content-Type: application/json'{header} \\\n"
            f"  -d {shlex.quote(_indented(self.body))}"
        )

    def python(self, base_url: str) -> str:
        """Return the request as a program for OpenAI's Python SDK."""
        key = f'os.environ["{self.key}"]' if self.key else json.dumps(ANY_KEY)
        return (
            f"{_IMPORT_OS if self.key else ''}from openai import OpenAI\n\n"
            f"client = OpenAI(base_url={json.dumps(base_url)}, api_key={key})\n"
            "reply = client.chat.completions.create(\n"
            f"    model={json.dumps(self.full_model)},\n"
            f'    messages=[{{"role": "user", "content": {json.dumps(QUESTION)}}}],\n'
            ")\n"
            "print(reply.choices[0].message.content)"
        )

    def javascript(self, base_url: str) -> str:
        """Return the request as a program for OpenAI's JavaScript SDK."""
        key = f"process.env.{self.key}" if self.key else json.dumps(ANY_KEY)
        return (
            'import OpenAI from "openai";\n\n'
            f"const client = new OpenAI({{ baseURL: {json.dumps(base_url)}, apiKey: {key} }});\n"
            "const reply = await client.chat.completions.create({\n"
            f"  model: {json.dumps(self.full_model)},\n"
            f'  messages: [{{ role: "user", content: {json.dumps(QUESTION)} }}],\n'
            "});\n"
            "console.log(reply.choices[0].message.content);"
        )


def _indented(body: dict[str, Any]) -> str:
    """Return a body as JSON, one field a line."""
    fields = (f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in body.items())
    return "{\n" + ",\n".join(fields) + "\n  }"
