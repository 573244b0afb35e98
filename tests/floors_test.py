"""The house keeps its order: who imports whom, who may do what, how long things are."""
from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import git_model_driver
from git_model_driver.cli.main import PLUMBING
from git_model_driver.cli.main import VERBS
from git_model_driver.cli.main import _plain
from git_model_driver.cli.parser import parse

PACKAGE = Path(git_model_driver.__file__).parent
MODULES = sorted(
    file.relative_to(PACKAGE.parent).with_suffix('').as_posix()
    for file in PACKAGE.rglob('*.py')
)
HEAVY = {'numpy', 'ml_dtypes', 'h5py', 'tensorflow', 'torch', 'keras', 'onnx', 'jax',
         'safetensors', 'fsspec', 'joblib', 'scipy', 'sklearn', 'pandas'}
LONGEST_MODULE = 300
LONGEST_FUNCTION = 60


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE.parent / f'{module}.py').read_text(encoding='utf-8'))


def floor(module: str) -> str:
    """The package that the module is in; '' for the top."""
    parts = module.replace('.', '/').split('/')
    return parts[1] if len(parts) > 2 or (PACKAGE / parts[-1]).is_dir() else ''


def floors() -> list[str]:
    """From the top, as the package's own text has them."""
    table = re.findall(r'^    (\w+) {2,}\w+: ', git_model_driver.__doc__ or '', re.M)
    assert table[0] == 'cli' and table[-1] == 'core'
    return table


def imports(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, 'imports name the whole way'
            assert child.module
            yield child.module
            yield from (f'{child.module}.{alias.name}' for alias in child.names)


def at_import(module: str) -> Iterator[str]:
    """What is imported when the module is: not what waits inside a function."""
    waiting: list[ast.AST] = list(tree(module).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imports(node)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def calls(module: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_every_package_has_its_floor() -> None:
    packages = {folder.name for folder in PACKAGE.iterdir()
                if (folder / '__init__.py').is_file()}
    assert packages == set(floors())


@pytest.mark.parametrize('module', MODULES)
def test_imports_point_down(module: str) -> None:
    order = floors()
    here = floor(module)
    for name in imports(tree(module)):
        if name.startswith('git_model_driver.'):
            below = floor(name)
            if here and below and here != below:
                assert order.index(here) < order.index(below), f'{module}: {name}'
            elif here and not below:
                assert name == 'git_model_driver.__version__', f'{module}: {name}'


@pytest.mark.parametrize('module', MODULES)
def test_only_one_floor_runs_programs(module: str) -> None:
    if floor(module) != 'git':
        names = {name.split('.')[0] for name in imports(tree(module))}
        assert 'subprocess' not in names
        called = {name for name, _ in calls(module)}
        assert not called & {'os.system', 'os.popen', 'os.execvp', 'os.fork'}


@pytest.mark.parametrize('module', MODULES)
def test_only_the_doors_speak(module: str) -> None:
    """Elsewhere nothing is printed but a filter's warnings, on standard error."""
    if floor(module) == 'cli':
        return
    assert 'argparse' not in set(imports(tree(module)))
    for name, call in calls(module):
        assert name not in ('sys.exit', 'exit', 'quit', 'input', 'breakpoint')
        if name == 'print':
            target = {k.arg: ast.unparse(k.value) for k in call.keywords}.get('file')
            assert (floor(module), target) == ('filters', 'sys.stderr')


@pytest.mark.parametrize('verb', sorted(
    module for module, _ in {**VERBS, **PLUMBING}.values()
))
def test_a_verb_does_not_import_another(verb: str) -> None:
    """What two of them need has a room of its own; a pair that belongs together may."""
    others = {f'git_model_driver.cli.{module}' for module, _ in VERBS.values()}
    found = others & set(imports(tree(f'git_model_driver/cli/{verb}')))
    together = {'uninstall': ['install'], 'pull': ['checkout', 'fetch']}
    assert sorted(name.rpartition('.')[2] for name in found) == together.get(verb, [])


@pytest.mark.parametrize('module', MODULES)
def test_nothing_heavy_is_imported_before_it_is_needed(module: str) -> None:
    assert not {name.split('.')[0] for name in at_import(module)} & HEAVY


@pytest.mark.parametrize('module', MODULES)
def test_nothing_of_a_model_is_run(module: str) -> None:
    names = {name.split('.')[0] for name in imports(tree(module))}
    if not module.endswith('formats/pytorch/pickled'):      # it runs none of it
        assert 'pickle' not in names
    assert not names & {'marshal', 'shelve', 'dill', 'cloudpickle'}
    assert not {name for name, _ in calls(module)} & {'eval', 'exec', 'compile'}


def test_core_reads_and_writes_nothing() -> None:
    for module in MODULES:
        if floor(module) == 'core':
            names = {name.split('.')[0] for name in imports(tree(module))}
            assert not names & {'os', 'sys', 'pathlib', 'io', 'shutil', 'tempfile'}
            assert 'open' not in {name for name, _ in calls(module)}


@pytest.mark.parametrize('module', MODULES)
def test_modules_and_functions_have_a_size_for_one_reading(module: str) -> None:
    text = (PACKAGE.parent / f'{module}.py').read_text(encoding='utf-8')
    assert len(text.splitlines()) <= LONGEST_MODULE
    for node in ast.walk(tree(module)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize('module', MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(tree(module)) or module.endswith('/__main__')


@pytest.mark.parametrize('verb', sorted(PLUMBING))
def test_what_needs_no_argparse_gets_the_same_without(verb: str) -> None:
    module = import_module(f'git_model_driver.cli.{PLUMBING[verb][0]}')
    names = getattr(module, 'PLAIN', None)
    if names is None:
        return
    words = [f'word {number}' for number in range(len(names))]
    expected = vars(parse(module, verb, words))
    del expected['gits']
    for given in (words, ['--', *words]):
        found = _plain(module, given)
        assert found is not None and vars(found) == expected
    assert _plain(module, [*words, 'more']) is None
    if words:
        assert _plain(module, ['-h', *words[1:]]) is None
        assert _plain(module, words[1:]) is None


@pytest.mark.parametrize(('modules', 'unwanted'), [
    ('git_model_driver.cli.main, git_model_driver.cli.filter_process',
     'numpy ml_dtypes sqlite3 concurrent.futures h5py safetensors'),
    ('git_model_driver.cli.main',
     'numpy ml_dtypes sqlite3 concurrent.futures tempfile subprocess xxhash hashlib'),
    ('git_model_driver.cli.main, git_model_driver.cli.pre_push, '
     'git_model_driver.transfer.directory',
     'numpy argparse hashlib json ctypes shutil tempfile concurrent.futures '
     'git_model_driver.store.batch git_model_driver.store.codec.chunk '
     'git_model_driver.transfer.sealing git_model_driver.git.transport'),
    ('git_model_driver.cli.main, git_model_driver.transfer.depot.depot',
     'numpy argparse json ctypes shutil tempfile concurrent.futures fsspec '
     'git_model_driver.store.batch git_model_driver.transfer.sealing'),
    ('git_model_driver.cli.textconv',       # twice for each model of git diff
     'numpy concurrent.futures tempfile git_model_driver.filters.clean '
     'git_model_driver.transfer.locate git_model_driver.formats.registry'),
])
def test_a_start_loads_little(modules: str, unwanted: str) -> None:
    script = f'import sys, {modules}; print(*sys.modules)'
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True,
    )
    assert not set(done.stdout.split()) & set(unwanted.split())
