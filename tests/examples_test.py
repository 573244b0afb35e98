from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

DEMO = Path(__file__).parents[1] / 'examples/linear_regression/demo.py'


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location('demo', DEMO)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_demo_runs_and_touches_nobodys_settings(pinned: Path) -> None:
    done = subprocess.run((sys.executable, DEMO), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.endswith('\nAll checks passed.\n')
    assert done.stdout.count('\nok: ') == 13
    assert '$ git merge --no-edit ann\ncars.npz: 2 by linear\n' in done.stdout
    assert not list(pinned.iterdir())


def test_the_demo_notices_other_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    demo = load()
    story = demo.Story(tmp_path)
    story.environment.update({
        'GIT_CONFIG_COUNT': '1',
        'GIT_CONFIG_KEY_0': 'model.weight', 'GIT_CONFIG_VALUE_0': '0.75',
    })
    demo.tell(story)
    assert capsys.readouterr().out.count('NOT OK: ') == story.failures == 2


@pytest.mark.skipif(not find_spec('tensorflow'), reason='TensorFlow is not installed')
def test_the_seed_story_of_tensorflow_and_keras(pinned: Path) -> None:
    script = DEMO.parents[1] / 'tensorflow/run.py'
    done = subprocess.run((sys.executable, script), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith('\nAll checks passed.\n')
    assert done.stdout.count('\nok: ') == 20 and 'NOT OK' not in done.stdout
    assert {path.name for path in pinned.iterdir()} <= {'.keras'}      # Keras' own


@pytest.mark.slow
def test_a_line_and_a_network_are_chosen_honestly(pinned: Path) -> None:
    script = DEMO.parents[1] / 'choosing/run.py'
    done = subprocess.run((sys.executable, script), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.endswith('\nAll checks passed.\n')
    assert "\nNothing is shown to be better than 'main': it stays.\n" in done.stdout
    assert "\n'fast' is better than 'production'.\n" in done.stdout
    assert ': it is worse.\n' not in done.stdout
    assert not list(pinned.iterdir())
