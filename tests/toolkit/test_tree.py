from __future__ import annotations

from collections.abc import Sequence

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.toolkit.tree import Node, Tree, uct


def bandit(values: Sequence[float], exploration: float, pulls: int, wave: int) -> list[int]:
    """Visits of each arm when arm i always pays values[i]: a root whose children are the arms."""
    tree: Tree[float] = Tree(0.0, exploration)
    arms = [Node(value, tree.root) for value in values]
    tree.root.children = arms
    done = 0
    while done < pulls:
        selected = []
        for _ in range(min(wave, pulls - done)):
            node = tree.select(lambda node: node in arms)
            assert node is not None
            selected.append(node)
        for node in selected:
            tree.backpropagate(tree.add(node, node.item), node.item)
        done += len(selected)
    return [arm.visits for arm in arms]


@pytest.mark.parametrize("wave", [1, 4, 8])
@pytest.mark.parametrize(
    ("values", "exploration", "visits"),
    [
        ((0.9, 0.5, 0.1), 1.0, [23, 6, 3]),
        ((0.6, 0.5, 0.4, 0.3), 1.0, [12, 8, 7, 5]),
        ((0.9, 0.5, 0.1), 0.5, [28, 3, 1]),
        ((0.6, 0.5, 0.4, 0.3), 0.5, [16, 8, 5, 3]),
    ],
)
def test_visits_are_those_of_the_reference_whatever_the_wave(
    values: tuple[float, ...], exploration: float, visits: list[int], wave: int
) -> None:
    assert bandit(values, exploration, 32, wave) == pytest.approx(visits, abs=1)


def test_an_untried_arm_comes_first() -> None:
    assert uct(0.0, 0, 10, 1.0) == float("inf")
    assert uct(0.5, 1, 1, 1.0) == 0.5


steps = st.lists(st.tuples(st.sampled_from(["reward", "abstain", "fail"]), st.floats(0, 1)), max_size=40)


@given(steps, st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_the_books_balance_after_any_course(
    course: list[tuple[str, float]], wave: int, deepest: int, widening: bool
) -> None:
    tree: Tree[int] = Tree(0, 1.0, widening=widening)
    rewards: list[float] = []
    for start in range(0, len(course), wave):
        selected = [tree.select(lambda node: node.depth < deepest) for _ in course[start : start + wave]]
        for node, (outcome, reward) in zip(selected, course[start : start + wave], strict=True):
            assert node is not None
            if outcome == "fail":
                tree.give_up(node)
                continue
            child = tree.add(node, 0)
            tree.backpropagate(child, reward if outcome == "reward" else None)
            rewards += [reward] if outcome == "reward" else []
    everything = [tree.root, *tree.nodes()]
    assert all(node.in_flight == node.expanding == 0 for node in everything)
    assert all(node.depth <= deepest for node in everything)
    assert tree.root.visits == len(rewards)
    assert tree.root.total == pytest.approx(sum(rewards))
    for node in everything:
        assert 0 <= node.visits - sum(child.visits for child in node.children) <= 1 or node is tree.root
        assert 0 <= node.mean <= 1


def test_a_wave_spreads_over_different_arms() -> None:
    tree: Tree[str] = Tree("root", 1.0)
    tree.root.children = [Node(name, tree.root) for name in "abc"]
    chosen = [tree.select(lambda node: node.parent is tree.root) for _ in range(3)]
    assert [node.item for node in chosen if node] == ["a", "b", "c"]


def test_a_node_whose_subtree_is_exhausted_is_passed_over() -> None:
    tree: Tree[str] = Tree("root", 1.0)
    tree.root.children = [Node("done", tree.root), Node("open", tree.root)]
    chosen = tree.select(lambda node: node.item == "open")
    assert chosen is not None
    assert chosen.item == "open"
    assert tree.select(lambda node: False) is None


def test_widening_prefers_new_children_while_the_old_ones_disappoint() -> None:
    tree: Tree[int] = Tree(0, 0.2, widening=True)

    def expanded(reward: float) -> int:
        node = tree.select(lambda node: node.depth < 2)
        assert node is not None
        tree.backpropagate(tree.add(node, 1), reward)
        return node.depth

    assert [expanded(0.5), expanded(1.0)] == [0, 0]
    assert expanded(1.0) == 1  # a child better than the average of its siblings is worth refining


def test_one_good_refinement_makes_a_node_promising() -> None:
    node: Node[int] = Node(0, visits=2, total=1.0)
    node.children = [Node(1, node, visits=1, total=0.9)]
    assert node.mean == 0.5
    assert node.promise == pytest.approx(0.7)


def test_rewards_can_be_booked_anew() -> None:
    tree: Tree[int] = Tree(0, 1.0)
    leaves = []
    for _ in range(2):
        node = tree.select(lambda node: node.depth == 0)
        assert node is not None
        leaves.append(tree.add(node, 1))
        tree.backpropagate(leaves[-1], 0.9)
    tree.revalue(zip(leaves, (0.25, 0.75), strict=True))
    assert [leaf.mean for leaf in leaves] == [0.25, 0.75]
    assert (tree.root.visits, tree.root.mean) == (2, 0.5)


def test_the_rendering_can_be_drawn() -> None:
    tree: Tree[str] = Tree("root", 1.0)
    node = tree.select(lambda node: True)
    assert node is not None
    tree.backpropagate(tree.add(node, "leaf"), 0.75)
    graph = networkx.node_link_graph(tree.render(lambda item: {"label": item}), edges="edges")
    assert list(graph.edges) == [(0, 1)]
    assert graph.nodes[1] == {"visits": 1, "value": 0.75, "label": "leaf"}


def test_what_is_planted_is_in_flight_until_its_reward_comes() -> None:
    tree: Tree[str] = Tree("root", 1.0)
    child = tree.plant(tree.root, "child")
    assert (tree.root.in_flight, child.in_flight, tree.root.expanding) == (1, 1, 0)
    tree.backpropagate(child, 0.5)
    assert (tree.root.in_flight, child.in_flight) == (0, 0)
    assert (tree.root.visits, child.mean) == (1, 0.5)


def test_a_wave_ends_where_nothing_is_left_to_expand() -> None:
    tree: Tree[str] = Tree("root", 1.0)
    room_for_two = lambda node: node is tree.root and node.expanding < 2  # noqa: E731
    assert list(tree.wave(5, room_for_two)) == [tree.root] * 2
    assert tree.root.in_flight == 2


def test_at_the_end_of_a_wave_only_what_came_of_it_is_still_in_flight() -> None:
    tree: Tree[str] = Tree("root", 1.0)
    selected = list(tree.wave(3, lambda node: node is tree.root))
    child = tree.add(selected[0], "child")
    tree.end_wave(selected)
    assert (tree.root.expanding, tree.root.in_flight, child.in_flight) == (0, 1, 1)
