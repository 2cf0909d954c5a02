"""Groups of texts that are the same: the largest of them, and which drafts come back."""

from __future__ import annotations

import pytest

from optillm.toolkit.programs.equivalence import largest, shares_returned


@pytest.mark.parametrize(
    ("groups", "weights", "group"),
    [
        ([[0, 2], [1]], {}, [0, 2]),
        ([[0], [1]], {}, None),
        ([[0, 2], [1]], {1: 3}, [1]),
        ([[0, 2], [1]], {1: 2}, None),
    ],
)
def test_the_largest_group_has_no_equal(
    groups: list[list[int]], weights: dict[int, int], group: list[int] | None
) -> None:
    assert largest(groups, weights) == group


def test_a_draft_comes_back_by_the_share_of_its_versions_that_are_as_it_is() -> None:
    groups = [[0, 3, 6], [1, 5], [2, 4]]  # drafts 0 to 2, versions 3 and 4 of draft 0, 5 and 6 of draft 1
    assert shares_returned(groups, [2, 2, 0]) == [0.5, 0.5, 0.0]
    assert shares_returned([[0, 1]], [1]) == [1.0]
