"""A map from strings to strings in the form that SentencePiece's normalizer reads, for OpenVINO's tokenizer operators.

The form: the size of a trie in bytes (32 bits), the trie, and the values, each ended by NUL; the trie leads from a key
to the place of its value. The trie is a double array (Aoe 1989, "An efficient digital search algorithm by using a
double-array structure") in the layout of darts-clone: a unit of 32 bits for each node, which holds the label of the
byte that leads to it (bits 0-7), whether a value hangs on it (bit 8) and, exclusive-or with its own place, where its
children begin (bits 10-31; bit 9 multiplies by 256). A child stands at that beginning exclusive-or its label; the value
stands at the beginning itself, marked by bit 31. All integers are little-endian.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HAS_VALUE = 1 << 8
_IS_VALUE = 1 << 31
_FAR = 1 << 9
_NEAR_OFFSETS = 1 << 21
_BLOCK = 256
_SEARCHED = 2 * _BLOCK
_FREE = 0xFF  # a label that no UTF-8 byte has, so that nothing is found here, NUL included


class _Node:
    """A place in the trie."""

    def __init__(self) -> None:
        self.children: dict[int, _Node] = {}  # by byte
        self.value: int | None = None


def charsmap(pairs: Mapping[str, str]) -> bytes:
    """Return the map; of two keys that fit at the same place of a text the longer one counts.

    Raises:
        ValueError: for an empty key, or NUL in a key or value.
    """
    values = bytearray()
    places: dict[str, int] = {}
    root = _Node()
    for key, value in pairs.items():
        if not key or "\0" in key or "\0" in value:
            raise ValueError(f"A map of characters cannot hold {key!a} -> {value!a}.")
        if value not in places:
            places[value] = len(values)
            values += value.encode() + b"\0"
        node = root
        for byte in key.encode():
            node = node.children.setdefault(byte, _Node())
        node.value = places[value]
    trie = _DoubleArray(root).units
    return struct.pack("<I", 4 * len(trie)) + struct.pack(f"<{len(trie)}I", *trie) + bytes(values)


class _DoubleArray:
    """Places the nodes of a trie, each family of children at the first beginning where all of them find room."""

    def __init__(self, root: _Node) -> None:
        self.units = [_FREE] * _BLOCK
        self.units[0] = 0
        self._taken = bytearray(_BLOCK)
        self._taken[0] = 1
        self._bases: set[int] = set()
        self._start = 1
        waiting = [(0, root)]
        while waiting:
            place, node = waiting.pop()
            labels = list(node.children)
            if not labels and node.value is None:  # nothing is mapped at all
                continue
            base = self._room_for(labels if node.value is None else [0, *labels])
            self.units[place] |= _offset(place ^ base)
            if node.value is not None:
                self.units[place] |= _HAS_VALUE
                self._take(base, _IS_VALUE | node.value)
            for label, child in node.children.items():
                self._take(base ^ label, label)
                waiting.append((base ^ label, child))

    def _room_for(self, labels: list[int]) -> int:
        # Gaps far behind are given up: looking through them for every family takes longer than the map is worth.
        self._start = max(self._start, len(self.units) - _SEARCHED)
        place = self._start
        while True:
            if place >= len(self.units):
                self.units += [_FREE] * _BLOCK
                self._taken += bytes(_BLOCK)
            base = place ^ labels[0]
            # A beginning belongs to one family: a child that is missing in one must not be found in another's.
            if not self._taken[place] and base not in self._bases and not any(self._taken[base ^ x] for x in labels):
                self._bases.add(base)
                return base
            place += 1

    def _take(self, place: int, unit: int) -> None:
        self._taken[place] = 1
        self.units[place] = unit


def _offset(offset: int) -> int:
    """Return the bits of an offset."""
    if offset < _NEAR_OFFSETS:
        return offset << 10
    if offset % _BLOCK:
        raise ValueError("The map is too large.")
    return offset << 2 | _FAR
