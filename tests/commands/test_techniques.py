"""The list of techniques, and the page about one of them."""

from __future__ import annotations

import re

import pytest

from optillm import cli
from optillm.techniques import registry
from tests.commands.fakes import TECHNIQUES, refusal
from tests.config.test_settings import bare_machine

__all__ = ["bare_machine"]  # fixtures that the tests here run under


def test_techniques_are_listed_with_their_cost(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["techniques"], TECHNIQUES)
    assert capsys.readouterr().out.splitlines() == [
        "SLUG           TECHNIQUE",
        "bon            Best-of-N: keeps the best.",
        "      rounds   2",
        "      calls    n + n",
        "      options  best_of_n=3, bon_models=4, bon_prevote=true",
    ]


def test_one_technique_is_shown_with_its_options_and_how_to_ask_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    cli.run(["techniques", "bon"], TECHNIQUES)
    assert capsys.readouterr().out.splitlines() == [
        "bon     Best-of-N: keeps the best.",
        "rounds  2",
        "calls   n + n",
        "paper   P",
        "        https://arxiv.org/abs/1",
        "",
        "OPTION   DEFAULT  VALUE                    FLAG           MEANING",
        "n        3        an integer from 2 to 32  --best-of-n    candidates",
        "models   4        an integer or a list     --bon-models   how many, or which, 100% of them",
        "prevote  true     true or false            --bon-prevote  skip judging when all agree",
        "",
        "as the model               bon-gpt-4o-mini",
        "                           bon(n=6)-gpt-4o-mini",
        'as a field of the request  "optillm": {"approach": "bon", "options": {"bon": {"n": 6}}}',
        "for all requests           optillm --approach bon --best-of-n 6",
    ]


@pytest.mark.parametrize("slug", registry())
def test_every_example_on_a_technique_page_works(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    technique = registry()[slug]
    cli.run(["techniques", slug], registry())
    page = capsys.readouterr().out
    for text in (
        technique.name,
        technique.rounds,
        technique.paper,
        technique.url,
        *technique.Options.model_fields,
    ):
        assert "".join(text.split()) in "".join(page.split())
    models = re.findall(rf"({slug}\S*)-gpt-4o-mini", page)
    flags = re.findall(r"for all requests +optillm (.+)", page)
    assert len(models) == 2
    for expression in models:
        cli.run(["settings", "--approach", expression], registry())
    cli.run(["settings", *flags[0].split()], registry())


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("techniques", "bom"), "unknown technique bom; did you mean `bon`?"),
        (("techniques", "bon", "moa"), "unexpected argument moa: optillm techniques does not take it"),
        (("techniques", "settings"), "unknown technique settings; `optillm techniques` lists all"),
        (("serve", "bon"), "unexpected argument bon: optillm serve does not take it"),
        (("--markdown",), "--markdown works only with optillm settings and techniques"),
    ],
)
def test_refuses_an_unknown_technique_or_argument(argv: tuple[str, ...], line: str) -> None:
    assert refusal(*argv) == line
