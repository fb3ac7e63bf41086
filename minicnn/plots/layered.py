"""Where the boxes of a directed graph lie: in ranks, ordered so that few arrows cross.

A box's rank is the longest way to it. An arrow over several ranks passes through a place of its
own in each. Within ranks the order follows the mean place of the neighbours, and so does the
position, as near as the widths allow (Sugiyama et al., 1981).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

GAP, LANE = 0.35, 0.12
"""Inches between boxes, and the width of the place of an arrow that passes."""
BETWEEN = 0.4
"""Inches between ranks."""
SWEEPS = 8
HEAVY = 1e6
"""How much more a box counts than an arrow that passes."""

Point = tuple[float, float]


class Layout(NamedTuple):
    """Positions in inches; x grows to the right, y downwards."""

    centres: list[Point]
    """Of the boxes."""
    ways: list[list[Point]]
    """Of the arrows: the points that they go through, from box to box."""
    width: float
    height: float


def laid_out(
    sizes: Sequence[tuple[float, float]],
    arrows: Sequence[tuple[int, int]],
    between: float = BETWEEN,
) -> Layout:
    """The layout of boxes of (width, height), with arrows between them, none of which leads back.

    >>> laid_out([(1, 1), (1, 1)], [(0, 1)]).centres
    [(0.5, 0.5), (0.5, 1.9)]
    """
    ranks = _ranks(len(sizes), arrows)
    heights = [0.0] * (max(ranks, default=-1) + 1)
    for rank, (_, height) in zip(ranks, sizes, strict=True):
        heights[rank] = max(heights[rank], height)
    tops = [sum(heights[:i]) + i * between for i in range(len(heights) + 1)]
    graph = _Places(sizes, arrows, ranks)
    graph.order()
    x = graph.positions()
    left = min((x[i] - graph.widths[i] / 2 for i in range(len(x))), default=0.0)
    right = max((x[i] + graph.widths[i] / 2 for i in range(len(x))), default=0.0)
    centres = [(x[i] - left, tops[ranks[i]] + heights[ranks[i]] / 2) for i in range(len(sizes))]
    ways = []
    for (a, b), lane in zip(arrows, graph.lanes, strict=True):
        way = [(centres[a][0], centres[a][1] + sizes[a][1] / 2)]
        for place in lane:
            rank = graph.ranks[place]
            way += [(x[place] - left, tops[rank]), (x[place] - left, tops[rank] + heights[rank])]
        ways.append([*way, (centres[b][0], centres[b][1] - sizes[b][1] / 2)])
    _spread_ends(ways, arrows, sizes)
    return Layout(centres, ways, right - left, tops[-1] - between if heights else 0.0)


def _ranks(count: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way to each box, which come in running order."""
    ranks = [0] * count
    for a, b in sorted(arrows, key=lambda arrow: arrow[1]):
        ranks[b] = max(ranks[b], ranks[a] + 1)
    return ranks


def _spread_ends(
    ways: list[list[Point]], arrows: Sequence[tuple[int, int]], sizes: Sequence[tuple[float, float]]
) -> None:
    """Let arrows that end in one box end beside each other."""
    ending: dict[int, list[int]] = {}
    for i, (_, b) in enumerate(arrows):
        ending.setdefault(b, []).append(i)
    for b, some in ending.items():
        step = min(0.3, sizes[b][0] / (len(some) + 1))
        for place, i in enumerate(sorted(some, key=lambda i: ways[i][-2][0])):
            x, y = ways[i][-1]
            ways[i][-1] = (x + step * (place - (len(some) - 1) / 2), y)


class _Places:
    """The boxes, and behind them the places of arrows that pass through a rank."""

    def __init__(
        self,
        sizes: Sequence[tuple[float, float]],
        arrows: Sequence[tuple[int, int]],
        ranks: Sequence[int],
    ) -> None:
        self.boxes = len(sizes)
        self.widths = [width for width, _ in sizes]
        self.ranks = list(ranks)
        self.above: list[list[int]] = [[] for _ in sizes]
        self.below: list[list[int]] = [[] for _ in sizes]
        self.lanes = [self._lane(a, b) for a, b in arrows]
        self.rows: list[list[int]] = [[] for _ in range(max(self.ranks, default=-1) + 1)]
        for i, rank in enumerate(self.ranks):
            self.rows[rank].append(i)

    def _lane(self, a: int, b: int) -> list[int]:
        """New places for an arrow in the ranks between its ends."""
        lane, last = [], a
        for rank in range(self.ranks[a] + 1, self.ranks[b]):
            lane.append(len(self.ranks))
            self.ranks.append(rank)
            self.widths.append(LANE)
            self.above.append([last])
            self.below.append([])
            self.below[last].append(lane[-1])
            last = lane[-1]
        self.below[last].append(b)
        self.above[b].append(last)
        return lane

    def order(self) -> None:
        """Sort each rank by where its neighbours are, downwards and upwards in turn."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            at = {i: place for row in self.rows for place, i in enumerate(row)}
            for row in self.rows if down else reversed(self.rows):
                near = self.above if down else self.below
                row.sort(
                    key=lambda i: sum(at[j] for j in near[i]) / len(near[i]) if near[i] else at[i]
                )
                at.update({i: place for place, i in enumerate(row)})
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _crossings(self) -> int:
        found = 0
        for upper, lower in pairwise(self.rows):
            at = {i: place for place, i in enumerate(lower)}
            ends = [sorted(at[j] for j in self.below[i]) for i in upper]
            for i, one in enumerate(ends):
                for other in ends[i + 1 :]:
                    found += sum(a > b for a in one for b in other)
        return found

    def positions(self) -> list[float]:
        """Where each is across, in inches."""
        x = [0.0] * len(self.ranks)
        for row in self.rows:
            self._put(row, [0.0] * len(row), x)
        both = [above + below for above, below in zip(self.above, self.below, strict=True)]
        turns = [self.above, self.below] * (SWEEPS // 2) + [both] * SWEEPS + [self.above]
        for sweep, near in enumerate(turns):
            for row in self.rows if sweep % 2 == 0 else reversed(self.rows):
                self._put(row, [self._wanted(i, near, x) for i in row], x)
        return x

    def _put(self, row: Sequence[int], wanted: Sequence[float], x: list[float]) -> None:
        """Move a rank towards places; arrows that pass get out of the way of boxes."""
        weights = [HEAVY if i < self.boxes else 1.0 for i in row]
        for i, place in zip(row, _packed(self._offsets(row), wanted, weights), strict=True):
            x[i] = place

    def _wanted(self, i: int, near: Sequence[Sequence[int]], x: Sequence[float]) -> float:
        """The mean place of the neighbours; a box follows a single one: shortcuts go around."""
        found = near[i]
        boxes = [j for j in found if j < self.boxes]
        if i < self.boxes and len(boxes) == 1:
            found = boxes
        return sum(x[j] for j in found) / len(found) if found else x[i]

    def _offsets(self, row: Sequence[int]) -> list[float]:
        """How far each must be from the first of its rank."""
        offsets = [0.0]
        for a, b in pairwise(row):
            offsets.append(offsets[-1] + (self.widths[a] + self.widths[b]) / 2 + GAP)
        return offsets[: len(row)]


def _packed(
    offsets: Sequence[float], wanted: Sequence[float], weights: Sequence[float]
) -> list[float]:
    """Places as near to those that are wanted as can be, at least as far apart as the offsets are.

    Neighbours that want each other's place move together, to their weighted mean.
    """
    blocks: list[tuple[float, float, int]] = []  # what is wanted times weight, weight, how many
    for place, offset, weight in zip(wanted, offsets, weights, strict=True):
        new = ((place - offset) * weight, weight, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] > new[0] / new[1]:
            total, heavy, many = blocks.pop()
            new = (new[0] + total, new[1] + heavy, new[2] + many)
        blocks.append(new)
    free = [total / weight for total, weight, many in blocks for _ in range(many)]
    return [place + offset for place, offset in zip(free, offsets, strict=True)]
