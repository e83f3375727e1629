"""Which layer each node of a graph belongs to, and the order within the layers.

In: the number of nodes and the pairs (source, target) of node numbers.  Out: a `Net`, whose layers hold the
nodes and, where an edge is longer than one layer, dummies for it to pass through.

Kept: every edge goes to a later layer; in a `Net` neighbours are exactly one layer apart; ties are broken by
the order of nodes and edges, so equal graphs get equal results.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

Pairs = Sequence[tuple[int, int]]
Order = list[list[int]]


@dataclass(frozen=True, slots=True)
class Net:
    """The layered graph; its items are the nodes (the first `real` of them), then the dummies.

    All long edges of one source share one dummy per layer: the edge is drawn once and branches off, and the
    number of dummies stays proportional to the number of nodes, not of edges.
    """

    real: int
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    layers: tuple[tuple[int, ...], ...]
    paths: tuple[tuple[int, ...], ...]  # of each edge: its source, its dummies, its target


def assign_layers(count: int, pairs: Pairs) -> list[int]:
    """The longest path to each node; then what gains by it moves right, next to its first consumer.

    >>> assign_layers(4, [(0, 1), (1, 2), (3, 2)])  # 3 is a leaf that only 2 consumes
    [0, 1, 2, 1]
    """
    before: list[dict[int, None]] = [{} for _ in range(count)]
    after: list[dict[int, None]] = [{} for _ in range(count)]
    for source, target in pairs:
        before[target][source] = after[source][target] = None
    order = list(TopologicalSorter(dict(enumerate(before))).static_order())
    layer = [0] * count
    for node in order:
        layer[node] = 1 + max((layer[p] for p in before[node]), default=-1)
    for node in reversed(order):
        lengthened = sum(1 for p in before[node] if before[p])  # leaves will follow and do not count
        if lengthened < len(after[node]):
            layer[node] = min(layer[c] for c in after[node]) - 1
    return layer


def make_net(layer: Sequence[int], pairs: Pairs) -> Net:
    """Cut long edges with dummies and order the layers so that few edges cross."""
    layer_of = list(layer)
    dummies: dict[tuple[int, int], int] = {}
    paths = []
    for source, target in pairs:
        path = [source]
        for between in range(layer[source] + 1, layer[target]):
            if (source, between) not in dummies:
                dummies[source, between] = len(layer_of)
                layer_of.append(between)
            path.append(dummies[source, between])
        paths.append((*path, target))
    before: list[dict[int, None]] = [{} for _ in layer_of]
    after: list[dict[int, None]] = [{} for _ in layer_of]
    for steps in paths:
        for one, next_ in pairwise(steps):
            before[next_][one] = after[one][next_] = None
    net = Net(len(layer), tuple(map(tuple, before)), tuple(map(tuple, after)), (), tuple(paths))
    start: Order = [[] for _ in range(max(layer_of, default=-1) + 1)]
    for item in _depth_first(net):
        start[layer_of[item]].append(item)
    best = _uncross(net, start)
    return Net(net.real, net.before, net.after, tuple(map(tuple, best)), net.paths)


def _depth_first(net: Net) -> list[int]:
    """From the results back to the leaves: operands then stand in the order in which they are written."""
    stack = [item for item in reversed(range(len(net.before))) if not net.after[item]]
    seen: dict[int, None] = {}
    while stack:
        item = stack.pop()
        if item not in seen:
            seen[item] = None
            stack.extend(reversed(net.before[item]))
    return list(seen)


def _uncross(net: Net, order: Order, sweeps: int = 16) -> Order:
    """Barycentre sweeps to and fro with swaps of neighbours; the best order that was seen."""
    best, fewest, stale = order, crossings(net, order), 0
    for sweep in range(sweeps):
        if fewest == 0 or stale == 4:
            break
        order = [list(layer) for layer in order]
        forward = sweep % 2 == 0
        for fixed, layer in pairwise(order if forward else order[::-1]):
            _sort_by_barycentre(layer, fixed, net.before if forward else net.after)
        _swap_neighbours(net, order)
        count = crossings(net, order)
        stale = 0 if count < fewest else stale + 1
        if count < fewest:
            best, fewest = order, count
    return best


def _sort_by_barycentre(layer: list[int], fixed: list[int], towards: Sequence[tuple[int, ...]]) -> None:
    """Sort by the mean place of the neighbours in the fixed layer; items without any keep their place."""
    place = {item: i for i, item in enumerate(fixed)}
    mean = {i: sum(place[n] for n in towards[i]) / len(towards[i]) for i in layer if towards[i]}
    moved = iter(sorted(mean, key=mean.__getitem__))
    layer[:] = [next(moved) if item in mean else item for item in layer]


def _swap_neighbours(net: Net, order: Order) -> None:
    """Swap two neighbours in a layer wherever that takes crossings away (one pass)."""
    for k, layer in enumerate(order):
        sides = [(net.before, order[k - 1])] if k else []
        sides += [(net.after, order[k + 1])] if k + 1 < len(order) else []
        ends: list[list[list[int]]] = []
        for towards, other in sides:
            place = {item: i for i, item in enumerate(other)}
            ends.append([sorted(place[n] for n in towards[item]) for item in layer])
        for i in range(len(layer) - 1):
            gain = sum(_inversions(e[i], e[i + 1]) - _inversions(e[i + 1], e[i]) for e in ends)
            if gain > 0:
                layer[i : i + 2] = layer[i + 1], layer[i]
                for row in ends:
                    row[i : i + 2] = row[i + 1], row[i]


def _inversions(upper: list[int], lower: list[int]) -> int:
    return sum(len(upper) - bisect_right(upper, end) for end in lower)


def crossings(net: Net, order: Sequence[Sequence[int]]) -> int:
    """How many pairs of edges between neighbouring layers cross."""
    total = 0
    for layer, following in pairwise(order):
        place = {item: i for i, item in enumerate(following)}
        seen: list[int] = []
        for item in layer:
            ends = sorted(place[n] for n in net.after[item])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total
