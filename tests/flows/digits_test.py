"""A real network, trained on different digits on two branches, merged by Git."""
from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from git_model_driver.merging.methods import names

EXAMPLE = Path(__file__).parents[2] / 'examples/digits'


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip('sklearn', reason='the digits come with scikit-learn')
    monkeypatch.syspath_prepend(str(EXAMPLE))
    for name in ('run', 'network'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import run as example

    assert isinstance(example, ModuleType)
    return example


@pytest.mark.slow
def test_every_method_merges_what_was_trained_on_two_branches(
    run: ModuleType, tmp_path: Path,
) -> None:
    found = run.branches(0, tmp_path)
    merged = {n: a for n, a in found.items() if n.startswith('merge ')}
    assert [name.split()[1] for name in merged] == list(names())
    alone = max(found['low'], found['high'])
    for name, accuracy in merged.items():
        assert accuracy > alone + 4, name
    for name in ('merge linear', 'merge ram', 'merge fisher'):
        assert found[name] > max(alone + 25, found['base'])
    assert found['rebase'] > alone + 20


def test_trainings_from_different_beginnings_need_alignment(
    run: ModuleType, tmp_path: Path,
) -> None:
    found = run.apart(0, tmp_path)
    assert found['align=permutation'] > found['merge=linear'] + 20
