from __future__ import annotations

from importlib import import_module

import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.formats import registry


@pytest.mark.parametrize('name', registry.FORMATS)
def test_the_table_names_each_format_as_its_module_does(name: str) -> None:
    form = registry.FORMATS[name]
    assert import_module(form._path).NAME == name == registry.find(name).NAME


def test_an_unknown_format_is_said_to_be() -> None:
    with pytest.raises(FormatError, match="'nosuch' is not known here"):
        registry.find('nosuch')
