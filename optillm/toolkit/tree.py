"""A search tree for parallel Monte Carlo tree search: select, expand, backpropagate, apart from any model.

Several expansions are selected before the first one returns. Those in flight count as visits in the exploration
term only, so that a wave spreads without being taught false rewards (WU-UCT, Liu et al.,
https://arxiv.org/abs/1810.11755).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf, log, sqrt
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

PRIOR: Final = 0.5
"""What a reward in [0, 1] is taken to be before there is one."""


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
        """Steps from the root."""
        return sum(1 for _ in self.path()) - 1

    @property
    def mean(self) -> float:
        """The mean reward of its subtree."""
        return self.total / self.visits if self.visits else PRIOR

    @property
    def promise(self) -> float:
        """Half its mean, half its best child's: one good refinement makes a node worth more of them."""
        best = max((child.mean for child in self.children if child.visits), default=self.mean)
        return (self.mean + best) / 2

    def path(self) -> Iterator[Node[T]]:
        """This node and its ancestors, the root last."""
        node: Node[T] | None = self
        while node is not None:
            yield node
            node = node.parent

    def subtree(self) -> Iterator[Node[T]]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.subtree()


def uct(value: float, visits: int, parent_visits: int, exploration: float) -> float:
    """The upper confidence bound of an arm (Kocsis and Szepesvári, 2006); infinite for one never tried."""
    if visits == 0:
        return inf
    return value + exploration * sqrt(log(max(parent_visits, 1)) / visits)


class Tree(Generic[T]):
    """The tree and its statistics; rewards are in [0, 1].

    With `widening` the choice between going deeper and adding another child is an arm of its own, valued at
    the mean of the children so far; without it a node that can be expanded is expanded first.
    """

    def __init__(self, root: T, exploration: float, *, widening: bool = False) -> None:
        self.root = Node(root)
        self.exploration = exploration
        self.widening = widening

    def select(self, expandable: Callable[[Node[T]], bool]) -> Node[T] | None:
        """The node to expand next, its path marked as in flight; `None` when nothing can be expanded."""
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

    def add(self, parent: Node[T], item: T) -> Node[T]:
        """The child that an expansion of `parent` has led to, its reward still in flight."""
        child = Node(item, parent, in_flight=1)
        parent.children.append(child)
        parent.expanding -= 1
        return child

    def plant(self, parent: Node[T], item: T) -> Node[T]:
        """Add a child that no selection has led to, its reward in flight like that of others."""
        self._begin(parent)
        return self.add(parent, item)

    def give_up(self, parent: Node[T]) -> None:
        """Take back a selection of `parent` whose expansion came to nothing."""
        parent.expanding -= 1
        for ancestor in parent.path():
            ancestor.in_flight -= 1

    def backpropagate(self, node: Node[T], reward: float | None) -> None:
        """Book the reward of a new node on its whole path; `None` is an abstention and counts as no visit."""
        for ancestor in node.path():
            ancestor.in_flight -= 1
            if reward is not None:
                ancestor.visits += 1
                ancestor.total += reward

    def revalue(self, rewards: Iterable[tuple[Node[T], float]]) -> None:
        """Book all rewards anew, for when the worth of one result depends on the others."""
        for node in self.root.subtree():
            node.visits, node.total = 0, 0.0
        for leaf, reward in rewards:
            for ancestor in leaf.path():
                ancestor.visits += 1
                ancestor.total += reward

    def nodes(self) -> list[Node[T]]:
        """All nodes but the root, parents first."""
        return list(self.root.subtree())[1:]

    def render(self, describe: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
        """The tree as node-link data, which `networkx.node_link_graph` reads."""
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
