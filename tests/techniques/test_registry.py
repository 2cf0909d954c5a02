import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import Field

from optillm.technique import Answer, BaseOptions, Context, Cost
from optillm.techniques import Technique, discovered, read, registry, selector

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
        ("made", {"Options": type("Choosy", (Options,), {"selects": "n"})}, "`selects`"),
        ("made", {"__doc__": "No colon here"}, "docstring"),
        ("made", {"__doc__": DOC.replace("Rounds", "Round")}, "docstring"),
    ],
)
def test_a_malformed_module_fails_with_what_it_lacks(
    slug: str, parts: dict[str, object], complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        read(slug, module(**parts))


class Choosy(Options):
    selects = "among"

    among: int = Field(2, ge=1, le=5)


def test_the_first_technique_that_can_choose_among_candidates_selects() -> None:
    plain, choosy = read("plain", module()), read("choosy", module(Options=Choosy))
    assert selector({"plain": plain, "choosy": choosy, **registry()}) is choosy
    assert (plain.most_selected, choosy.most_selected) == (0, 5)
    assert choosy.selecting(4) == Choosy(among=4)
    with pytest.raises(LookupError):
        selector({"plain": plain})


def test_every_file_of_the_folder_is_a_technique() -> None:
    assert {"bon", "moa", "self_consistency"} <= registry().keys()


PLUGIN = f'''"""{DOC}"""
from optillm.technique import BaseOptions, Cost
from pydantic import Field
class Options(BaseOptions):
    n: int = Field(3, description="n")
    def worst_case(self, choices):
        return Cost(choices, 1)
async def run(ctx, options):
    raise AssertionError
'''
BROKEN = {
    "a module that is missing": ("no_such_module", None, "ModuleNotFoundError: No module named"),
    "an import that fails": ("broken", "import no_such_library", "No module named 'no_such_library'"),
    "a syntax error": ("broken", "def run(:", "SyntaxError"),
    "code that fails": ("broken", "1 / 0", "ZeroDivisionError: division by zero"),
    "code that ends the program": ("broken", "import sys; sys.exit(3)", "SystemExit: 3"),
    "a message of many lines": ("broken", "raise ValueError('a\\n' * 999)", "ValueError: a a a"),
    "no technique": ("broken", "x = 1", "class Options"),
    "no docstring": ("broken", PLUGIN.replace(DOC, ""), "docstring"),
    "an attribute that is missing": ("broken:absent", PLUGIN, "AttributeError"),
    "options that do not hold": (
        "broken",
        PLUGIN.replace("3,", "3, validate_default=True, ge=5,"),
        "Options",
    ),
    "options without a schema": (
        "broken",
        PLUGIN.replace("n: int = Field(3", "n: object = Field(print"),
        "skipped",
    ),
    "a cost that fails": ("broken", PLUGIN.replace("Cost(choices, 1)", "Cost(choices)"), "TypeError"),
}


def discovering(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, entries: dict[str, str], **sources: str
) -> tuple[Mapping[str, Technique], Sequence[str]]:
    """What is discovered with these entry points and these modules of plugins."""
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(name, value, "optillm.techniques") for name, value in entries.items()]
    monkeypatch.setattr("optillm.techniques.entry_points", lambda group: points)
    return discovered.__wrapped__()


def test_a_plugin_is_a_technique_like_any_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    techniques, faults = discovering(monkeypatch, tmp_path, {"working": "working"}, working=PLUGIN)
    assert set(techniques) == {*registry(), "working"}
    assert faults == ()


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_one_line_and_the_others_work(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    value, source, reason = BROKEN[kind]
    entries = {"aaa": value, "working": "working"}
    sources = {"working": PLUGIN} | ({"broken": source} if source else {})
    techniques, (line,) = discovering(monkeypatch, tmp_path, entries, **sources)
    assert set(techniques) == {*registry(), "working"}
    assert line.startswith(f"the plugin aaa ({value}) is skipped: ")
    assert reason in line
    assert line.isprintable()
    assert len(line) < 300


@pytest.mark.parametrize("name", ["bon", "none", "auto", "Upper", "a-b"])
def test_a_plugin_cannot_take_a_name_that_is_in_use(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    techniques, (line,) = discovering(monkeypatch, tmp_path, {name: "working"}, working=PLUGIN)
    assert techniques == registry()
    assert line.startswith(f"the plugin {name} (working) is skipped: TypeError: ")


def test_the_same_entry_point_twice_is_one_plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    points = [EntryPoint("working", "working", "optillm.techniques")] * 2
    monkeypatch.setattr("optillm.techniques.entry_points", lambda group: points)
    (tmp_path / "working.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    techniques, faults = discovered.__wrapped__()
    assert "working" in techniques
    assert faults == ()
