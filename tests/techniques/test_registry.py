from types import ModuleType

import pytest

from optillm.technique import Answer, BaseOptions, Context, Cost
from optillm.techniques import read, registry

DOC = "Name: does something\n\nPaper: Someone (2024)\nhttps://arxiv.org/abs/1\nRounds: 1\nCalls: n"


class Options(BaseOptions):
    def worst_case(self, choices: int) -> Cost:
        return Cost(choices, 1)


async def run(ctx: Context, options: Options) -> Answer:
    raise AssertionError


def module(**parts: object) -> ModuleType:
    made = ModuleType("made", DOC)
    made.__dict__.update({"Options": Options, "run": run} | parts)
    return made


def test_reads_what_a_module_declares() -> None:
    technique = read("made", module())
    assert (technique.name, technique.summary, technique.paper) == (
        "Name",
        "does something",
        "Someone (2024)",
    )
    assert (technique.url, technique.rounds, technique.calls) == ("https://arxiv.org/abs/1", "1", "n")


@pytest.mark.parametrize(
    ("slug", "parts", "complaint"),
    [
        ("Made", {}, "lower-case"),
        ("made", {"Options": dict}, "class Options"),
        ("made", {"Options": type("Options", (BaseOptions,), {})}, "worst_case"),
        ("made", {"run": lambda ctx, options: None}, "async def run"),
        ("made", {"__doc__": "No colon here"}, "docstring"),
        ("made", {"__doc__": DOC.replace("Rounds", "Round")}, "docstring"),
    ],
)
def test_a_malformed_module_fails_with_what_it_lacks(
    slug: str, parts: dict[str, object], complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        read(slug, module(**parts))


def test_every_file_of_the_folder_is_a_technique() -> None:
    assert {"bon", "moa", "self_consistency"} <= registry().keys()
