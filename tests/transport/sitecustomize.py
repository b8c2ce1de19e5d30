"""Gives `milter.transport` another default, in every process that tests start.

tests/conftest.py puts this folder into PYTHONPATH where STIRMILTER_TRANSPORT is set, so
that the whole suite can be run over the one that is no default:
`STIRMILTER_TRANSPORT=libmilter pytest tests/e2e`. Tests that name a transport keep it.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class Finder(MetaPathFinder):
    """Finds the module of the setting, and changes it once it is loaded."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != "stirmilter.config.sections":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            module.Milter.model_fields["transport"].default = NAME
            module.Milter.model_rebuild(force=True)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if NAME := os.environ.get("STIRMILTER_TRANSPORT", ""):
    sys.meta_path.insert(0, Finder())
