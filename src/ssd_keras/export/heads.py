"""Where the network of a graph ends and the decoding begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class GraphEnd(NamedTuple):
    """The last layers of a detector's graph, by the names of its nodes.

    Attributes:
        heads: the last convolutions: what they give are offsets and logits.
        decoding: everything behind them.
    """

    heads: list[str]
    decoding: list[str]


def end_of_graph(followers: Mapping[str, Sequence[str]], convolutions: Iterable[str]) -> GraphEnd:
    """Find the heads of a detector: the convolutions from which no other one is reached.

    Args:
        followers: for each node, in the order of computation, the nodes that take what it gives.
        convolutions: the nodes that are convolutions.
    """
    convolutions = set(convolutions)
    before_convolution: set[str] = set()
    for node in reversed(list(followers)):
        if any(one in convolutions or one in before_convolution for one in followers[node]):
            before_convolution.add(node)
    heads = [node for node in followers if node in convolutions and node not in before_convolution]
    behind = set(heads)
    for node in followers:
        if node in behind:
            behind.update(followers[node])
    return GraphEnd(heads, [node for node in followers if node in behind and node not in heads])
