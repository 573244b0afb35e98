"""Methods of other packages: what they do wrong is said, and never a crash."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from git_model_driver.core.errors import RuleError
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import MethodFailed
from git_model_driver.merging.methods.base import Operands
from git_model_driver.merging.methods.base import Parameters

_GROUP = 'git_model_driver.methods'


class Foreign:
    """A method (methods.base.Method) around another package's."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.NAME: str = module.NAME
        self.NEEDS_BASE: bool = module.NEEDS_BASE
        self.PARAMETERS: Mapping[str, Any] = module.PARAMETERS

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def plan(self, operands: Operands, parameters: Parameters) -> Combine:
        """Raises ValueError as the method does, and MethodFailed."""
        try:
            combine = self._module.plan(operands, parameters)
        except ValueError:
            raise
        except Exception as e:
            raise self._failed(e) from e

        def guarded(block: Block) -> Any:
            length = len(block.versions[0])
            try:
                found = combine(block)
                shape = getattr(found, 'shape', None)
            except Exception as e:
                raise self._failed(e) from e
            if shape != (length,):
                made = shape or type(found).__name__
                raise MethodFailed(f'it made {made} of {length} numbers')
            return found

        return guarded

    @staticmethod
    def _failed(error: Exception) -> MethodFailed:
        return MethodFailed(f'it failed with {type(error).__name__}: {error}')


def find(name: str) -> Foreign | None:
    """The installed method of that name. Raises RuleError for a broken one."""
    from importlib.metadata import entry_points  # it reads the disk

    for found in entry_points(group=_GROUP, name=name):
        try:
            method = Foreign(found.load())
            if not callable(method._module.plan):
                raise TypeError('its plan is no function')
        except Exception as e:
            package = found.dist.name if found.dist else found.value
            raise RuleError(
                f"the method '{name}' of the package '{package}' cannot be used: "
                f'{type(e).__name__}: {e}',
                f'mend it, or remove it with "pip uninstall {package}"',
            ) from None
        return method
    return None
