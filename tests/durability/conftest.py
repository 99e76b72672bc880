"""A real process tree, without the models: they are not what these tests look at."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from process_tree import Tree

PLAIN = {
    "HOUNSFIELD_INFERENCE__ENABLED": "false",
    "HOUNSFIELD_ARCHIVE__MIN_FREE_BYTES": "0",
}


@pytest.fixture
def start() -> Iterator[Callable[..., Tree]]:
    """Starts trees that do not outlive the test."""
    trees: list[Tree] = []

    def start(folder: Path, **environment: str) -> Tree:
        trees.append(Tree(folder, **(PLAIN | environment)))
        return trees[-1].await_ready()

    yield start
    for tree in trees:
        tree.destroy()
