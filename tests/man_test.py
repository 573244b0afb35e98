from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from git_model_driver.cli.main import VERBS
from tests.testing import terminal

FOLDER = Path(__file__).parents[1] / 'man'


@pytest.fixture(scope='module')
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location('make', FOLDER / 'make.py')
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_say_what_the_help_says(make: ModuleType) -> None:
    stored = {path.name: path.read_text('utf-8') for path in FOLDER.glob('*.1')}
    assert stored == dict(make.pages()), 'run: python man/make.py'


def test_every_command_has_an_example(make: ModuleType) -> None:
    assert set(make.EXAMPLES) == set(VERBS)


@pytest.mark.skipif(not shutil.which('man'), reason='there is no man here')
def test_man_renders_them_without_warnings() -> None:
    for path in sorted(FOLDER.glob('*.1')):
        done = subprocess.run(
            ('man', '--warnings', '--local-file', str(path)), capture_output=True,
        )
        assert (done.returncode, done.stderr) == (0, b''), path


@pytest.mark.skipif(not shutil.which('man'), reason='there is no man here')
def test_help_of_a_command_is_its_page_or_else_its_usage(tmp_path: Path) -> None:
    (tmp_path / 'man1').symlink_to(FOLDER)
    for words in (('blame', '--help'), ('help', 'blame')):
        command = ('git', 'model', *words)
        page = terminal.show(
            tmp_path, *command, env={'MANPATH': str(tmp_path), 'MANPAGER': 'cat'},
        )
        assert page.code == 0 and page.text.startswith('GIT-MODEL-BLAME(1)')
        none = terminal.show(tmp_path, *command, env={'MANPATH': '/nonexistent'})
        assert none.code == 0 and none.text.startswith('usage: git model blame')
