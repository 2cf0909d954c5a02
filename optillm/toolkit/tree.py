"""A search tree for parallel Monte Carlo tree search, without any model.

Its steps are select, expand and backpropagate.

Several expansions are selected before the first one returns. Those in flight count as visits in the exploration
term only, so that a wave spreads without learning false rewards (WU-UCT, Liu et al.,
https://arxiv.org/abs/1810.11755).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf, log, sqrt
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

PRIOR: Final = 0.5
"""The assumed reward in [0, 1] of what has none yet."""


@dataclass(eq=False, slots=True)
class Node(Generic[T]):
    """A state of the search; `total` is the sum of the rewards of all `visits` in its subtree."""

    item: T
    parent: Node[T] | None = None
    children: list[Node[T]] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0
    in_flight: int = 0
    expanding: int = 0

    @property
    def depth(self) -> int:
        """Return the number of steps from the root."""
        return sum(1 for _ in self.path()) - 1

    @property
    def mean(self) -> float:
        """Return the mean reward of its subtree."""
        return self.total / self.visits if self.visits else PRIOR

    @property
    def promise(self) -> float:
        """Return half its mean plus half its best child's: a good refinement suggests more of them."""
        best = max((child.mean for child in self.children if child.visits), default=self.mean)
        return (self.mean + best) / 2

    def path(self) -> Iterator[Node[T]]:
        """Yield this node and its ancestors, the root last."""
        node: Node[T] | None = self
        while node is not None:
            yield node
            node = node.parent

    def subtree(self) -> Iterator[Node[T]]:
        """Yield this node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.subtree()


def uct(value: float, visits: int, parent_visits: int, exploration: float) -> float:
    """Return the upper confidence bound of an arm (Kocsis and Szepesvári, 2006).

    It is infinite if the arm was never tried.
    """
    if visits == 0:
        return inf
    return value + exploration * sqrt(log(max(parent_visits, 1)) / visits)


class Tree(Generic[T]):
    """The tree and its statistics; rewards are in [0, 1].

    With `widening` the choice between going deeper and adding another child is an arm of its own, valued at the
    mean of the children so far; without it a node that can be expanded is expanded first.
    """

    def __init__(self, root: T, exploration: float, *, widening: bool = False) -> None:
        self.root = Node(root)
        self.exploration = exploration
        self.widening = widening

    def select(self, expandable: Callable[[Node[T]], bool]) -> Node[T] | None:
        """Return the node to expand next, with its path marked as in flight.

        Returns `None` if there is none.
        """
        node = self.root
        if not any(map(expandable, node.subtree())):
            return None
        while True:
            arms = [
                (self._bound(child), child)
                for child in node.children
                if any(map(expandable, child.subtree()))
            ]
            deeper = max(arms, key=lambda arm: arm[0], default=None)
            if expandable(node) and (deeper is None or self._widen(node) >= deeper[0]):
                break
            if deeper is None:
                raise AssertionError("an expandable node is always within reach")
            node = deeper[1]
        self._begin(node)
        return node

    def wave(self, width: int, expandable: Callable[[Node[T]], bool]) -> Iterator[Node[T]]:
        """Yield up to `width` nodes to expand together, see `select`.

        One may be there several times.
        """
        for _ in range(width):
            node = self.select(expandable)
            if node is None:
                return
            yield node

    def end_wave(self, selected: Iterable[Node[T]]) -> None:
        """Undo those selections of a wave whose expansions came to nothing."""
        for node in selected:
            if node.expanding:
                self.give_up(node)

    def add(self, parent: Node[T], item: T) -> Node[T]:
        """Add and return the child that an expansion of `parent` led to.

        Its reward is still in flight.
        """
        child = Node(item, parent, in_flight=1)
        parent.children.append(child)
        parent.expanding -= 1
        return child

    def plant(self, parent: Node[T], item: T) -> Node[T]:
        """Add a child that no selection has led to, its reward in flight like that of others."""
        self._begin(parent)
        return self.add(parent, item)

    def give_up(self, parent: Node[T]) -> None:
        """Undo a selection of `parent` whose expansion came to nothing."""
        parent.expanding -= 1
        for ancestor in parent.path():
            ancestor.in_flight -= 1

    def backpropagate(self, node: Node[T], reward: float | None) -> None:
        """Add the reward of a new node along its path.

        `None` is an abstention and counts as no visit.
        """
        for ancestor in node.path():
            ancestor.in_flight -= 1
            if reward is not None:
                ancestor.visits += 1
                ancestor.total += reward

    def revalue(self, rewards: Iterable[tuple[Node[T], float]]) -> None:
        """Recompute all rewards, for when the worth of one result depends on the others."""
        for node in self.root.subtree():
            node.visits, node.total = 0, 0.0
        for leaf, reward in rewards:
            for ancestor in leaf.path():
                ancestor.visits += 1
                ancestor.total += reward

    def nodes(self) -> list[Node[T]]:
        """Return all nodes but the root, parents first."""
        return list(self.root.subtree())[1:]

    def render(self, describe: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
        """Return the tree as node-link data, which `networkx.node_link_graph` reads."""
        nodes = list(self.root.subtree())
        number = {id(node): index for index, node in enumerate(nodes)}
        return {
            "directed": True,
            "multigraph": False,
            "graph": {},
            "nodes": [
                {"id": index, "visits": node.visits, "value": round(node.mean, 4), **describe(node.item)}
                for index, node in enumerate(nodes)
            ],
            "edges": [
                {"source": number[id(node.parent)], "target": index}
                for index, node in enumerate(nodes)
                if node.parent is not None
            ],
        }

    @staticmethod
    def _begin(parent: Node[T]) -> None:
        parent.expanding += 1
        for ancestor in parent.path():
            ancestor.in_flight += 1

    def _bound(self, child: Node[T]) -> float:
        parent = child.parent or child
        visits = parent.visits + parent.in_flight
        return uct(child.promise, child.visits + child.in_flight, visits, self.exploration)

    def _widen(self, node: Node[T]) -> float:
        if not self.widening:
            return inf
        tried = [child.mean for child in node.children if child.visits]
        value = sum(tried) / len(tried) if tried else PRIOR
        arms = len(node.children) + node.expanding
        return uct(value, arms, node.visits + node.in_flight, self.exploration)
