"""No file of the program imports itself by way of others, also not for type checking only."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp
import pytest


@pytest.mark.parametrize("package", ["fyke", "fyke_client"])
def test_no_circle_of_files(package: str) -> None:
    graph = grimp.build_graph(package, cache_dir=None)
    modules = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert list(TopologicalSorter(modules).static_order())
