"""Sample replies of the small real model, for `replies.jsonl`; no test runs this.

    LLAMA_ARG_THREADS=1 python -m tests.toolkit.answers.sample_replies [--amount 600] [--first 0] FILE

Starts llama.cpp's server on the model that `make real` downloads, and appends a line for each reply: its number, the
question and the reply. The answers that the replies state are written beside them by a reader, never by this package.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.real.server import NAME, running

SEED: Final = 14
MOST_TOKENS: Final = 160
TEMPERATURES: Final = (0.3, 0.5, 0.7, 1.0)
STREAMS: Final = 8
WORDS: Final = (
    "strawberry", "banana", "mississippi", "committee", "parallel", "bookkeeper", "reference", "level", "letter",
    "balloon", "coffee", "pepper", "street", "hello", "cheese", "summer", "window", "apple", "tennis", "college",
)  # fmt: skip
COUNTRIES: Final = (
    "France", "Germany", "Italy", "Spain", "Portugal", "Japan", "China", "India", "Egypt", "Kenya", "Canada", "Mexico",
    "Brazil", "Peru", "Chile", "Australia", "Norway", "Sweden", "Poland", "Greece", "Turkey", "Russia", "Cuba", "Iraq",
    "Austria", "Hungary", "Ireland", "Thailand", "Vietnam", "Argentina",
)  # fmt: skip
FACTS: Final = (
    "How many days are in a week?",
    "How many legs does a spider have?",
    "How many minutes are in an hour?",
    "How many sides does a hexagon have?",
    "How many continents are there?",
    "How many planets are in the solar system?",
    "How many months have 31 days?",
    "What is the chemical symbol for gold?",
    "What is the chemical formula of water?",
    "What is the boiling point of water in degrees Celsius?",
    "What is the largest planet in the solar system?",
    "What is the largest ocean on Earth?",
    "What is the longest river in the world?",
    "What is the tallest mountain in the world?",
    "What is the opposite of hot?",
    "What is the plural of mouse?",
    "What is the past tense of go?",
    "What color do you get when you mix blue and yellow?",
    "What is the square root of 81?",
    "What is 15% of 200?",
    "What is half of 90?",
    "What is the next number in the sequence 2, 4, 6, 8?",
    "What comes after Wednesday?",
    "Which animal says moo?",
    "Which planet is known as the Red Planet?",
    "Which is larger, 9.9 or 9.11?",
    "Which gas do plants take in?",
    "Who wrote Romeo and Juliet?",
    "Who painted the Mona Lisa?",
    "Who was the first president of the United States?",
    "Who discovered penicillin?",
    "In which year did World War II end?",
    "In which year did humans first land on the Moon?",
    "On which continent is Egypt?",
    "In which country is the Eiffel Tower?",
    "Is 17 a prime number?",
    "Is a tomato a fruit?",
    "Is the Earth flat?",
    "Does the sun rise in the west?",
    "Can penguins fly?",
    "Which city is the capital of France?\nA) London\nB) Paris\nC) Rome\nD) Madrid",
    "Which of these is a mammal?\nA) shark\nB) eagle\nC) whale\nD) frog",
    "Which number is even?\nA) 3\nB) 7\nC) 9\nD) 8",
    "A shirt costs $20 and is 25% off. How much does it cost now?",
    "Tom has 12 apples and gives 5 to Ann. How many apples does he have left?",
    "A train goes 60 miles in one hour. How far does it go in 3 hours?",
    "Anna is 7 and Ben is 5 years older. How old is Ben?",
    "There are 4 boxes with 6 pens each. How many pens are there?",
)
ENDINGS: Final = (
    "",
    "",
    "",
    " Answer in one word or number.",
    ' End with a line that begins with "Answer:".',
)
"""What some of the clients ask for besides; most ask for nothing."""


def questions(seed: int = SEED) -> Iterator[str]:
    """Yield questions without end, the same for a seed: half arithmetic and letters, half facts."""
    chance = random.Random(seed)
    while True:
        for kind in ("sum", "fact", "product", "capital", "divisor", "fact", "letters", "fact"):
            question, ending = _question(kind, chance), chance.choice(ENDINGS)
            yield question if "\n" in question else question + ending


def _question(kind: str, chance: random.Random) -> str:
    if kind == "sum":
        return f"What is {chance.randint(10, 99)} + {chance.randint(10, 99)}?"
    if kind == "product":
        return f"What is {chance.randint(2, 9)} {chance.choice('*x')} {chance.randint(2, 9)}?"
    if kind == "divisor":
        divisor = chance.randint(2, 5)
        one, other = divisor * chance.randint(1, 4), divisor * chance.randint(1, 4)
        return f"What is the greatest common divisor of {one} and {other}?"
    if kind == "letters":
        word = chance.choice(WORDS)
        return f"How many times does the letter {chance.choice(word)} occur in the word {word}?"
    if kind == "capital":
        return f"What is the capital of {chance.choice(COUNTRIES)}?"
    return chance.choice(FACTS)


async def sample(base_url: str, first: int, amount: int, path: Path) -> None:
    """Append `amount` replies to a file, from the one with the number `first` on, as they come."""
    waiting = iter(
        [pair for pair in zip(range(first + amount), questions(), strict=False) if pair[0] >= first]
    )
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:

        async def client() -> None:
            for number, question in waiting:
                reply = await _reply(session, base_url, number, question)
                line = json.dumps(
                    {"number": number, "question": question, "reply": reply}, ensure_ascii=False
                )
                with path.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")

        await asyncio.gather(*(client() for _ in range(STREAMS)))


async def _reply(session: aiohttp.ClientSession, base_url: str, number: int, question: str) -> str:
    sent: dict[str, Any] = {
        "model": NAME,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": MOST_TOKENS,
        "temperature": TEMPERATURES[number % len(TEMPERATURES)],
        "seed": SEED + number,
    }
    async with session.post(f"{base_url}/chat/completions", json=sent) as response:
        response.raise_for_status()
        completion = await response.json()
    return str(completion["choices"][0]["message"]["content"])


def main(argv: Sequence[str] | None = None) -> None:
    """Read the arguments and sample."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--amount", type=int, default=600)
    parser.add_argument("--first", type=int, default=0, help="number of the first reply")
    parser.add_argument("file", type=Path)
    given = parser.parse_args(argv)
    with running() as server:
        asyncio.run(sample(server.base_url, given.first, given.amount, given.file))


if __name__ == "__main__":
    main()
