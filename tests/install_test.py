"""install.sh, in a home of its own and with nothing else on PATH.

The network is used once, by the fixture ``installed``; the other tests start from
a home in which that program is installed already.
"""
from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from tests.testing.repository import Done

SOURCES = Path(__file__).parents[1]
SHIPPED = ('install.sh', 'git_model_driver', 'hooks', 'man', 'examples', 'setup.cfg',
           'pyproject.toml', 'README.md')
TOOLS = ('basename', 'cat', 'chmod', 'cksum', 'cp', 'dirname', 'find', 'git', 'grep',
         'id', 'ln', 'ls', 'mkdir', 'mktemp', 'mv', 'readlink', 'rm', 'rmdir', 'sed',
         'sh', 'sort', 'wc')
OLD_PYTHON = '#!/bin/sh\ncase $2 in *print*) echo 3.8 ;; *) exit 1 ;; esac\n'
BARE_PYTHON = '#!/bin/sh\ncase $2 in *print*) echo 3.12 ;; *ensure*) exit 1 ;; esac\n'


class Machine:
    """A user's home, and a PATH with little on it."""

    def __init__(self, root: Path, sources: Path) -> None:
        self.home = root / 'home of Ann'
        self.tools = root / 'tools'
        self.sources = sources
        self.data = self.home / '.local/share/git-model-driver'
        self.home.mkdir(parents=True)
        self.tools.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found, name
            (self.tools / name).symlink_to(found)
        (self.tools / 'python3').symlink_to(os.path.realpath(sys.executable))
        self.env = {
            'HOME': str(self.home), 'PATH': str(self.tools), 'LC_ALL': 'C.UTF-8',
            'GIT_CONFIG_NOSYSTEM': '1', 'GIT_ALLOW_PROTOCOL': 'file',
        }

    def run(self, *command: str | Path, cwd: Path | None = None,
            code: int | None = 0) -> Done:
        done = subprocess.run(
            command, cwd=cwd or self.home, env=self.env, capture_output=True,
            text=True, timeout=300,
        )
        assert code is None or done.returncode == code, done
        return Done(done.returncode, done.stdout, done.stderr)

    def install(self, *args: str | Path, cwd: Path | None = None,
                code: int | None = 0) -> Done:
        return self.run(self.sources / 'install.sh', *args, cwd=cwd, code=code)

    def repository(self, name: str = 'my models') -> Path:
        path = self.home / name
        self.run('git', 'init', '-q', path)
        self.run('git', '-C', path, 'config', 'user.name', 'Ann')
        self.run('git', '-C', path, 'config', 'user.email', 'ann@example.com')
        return path

    def path_too(self, *folders: Path) -> None:
        """Put folders in front of PATH."""
        self.env['PATH'] = os.pathsep.join(map(str, (*folders, self.env['PATH'])))


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """What every file holds, where every link points."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(folder.rglob('*')):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def copy_sources(target: Path) -> Path:
    target.mkdir()
    for name in SHIPPED:
        source = SOURCES / name
        if source.is_dir():
            shutil.copytree(source, target / name,
                            ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy2(source, target / name)
    return target


def network() -> dict[str, str]:
    """What pip may need to reach its index from here."""
    found = {
        name: value for name, value in os.environ.items()
        if name.startswith(('PIP_', 'SSL_')) or name.lower().endswith('_proxy')
    }
    settings = Path('~/.config/pip/pip.conf').expanduser()
    if settings.exists():
        found.setdefault('PIP_CONFIG_FILE', str(settings))
    return found


@pytest.fixture(scope='session')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where install.sh ran for real: once for all processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get('PYTEST_XDIST_WORKER'):
        base = base.parent
    root = base / 'installed'
    with open(base / 'installed.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            root.mkdir()
            machine = Machine(root, copy_sources(root / 'sources'))
            machine.env.update(network())
            before = tree(machine.sources)
            done = machine.install(code=None)
            if done.code:
                shutil.rmtree(root)
                if 'No matching distribution' in done.err:
                    pytest.skip('pip has no network here')
            assert done.code == 0, done
            assert tree(machine.sources) == before
    return root


@pytest.fixture
def machine(installed: Path, tmp_path: Path) -> Machine:
    """A machine with the program installed, and nothing done with it yet."""
    machine = Machine(tmp_path, installed / 'sources')
    template = installed / machine.data.relative_to(tmp_path) / 'venv'
    venv = machine.data / 'venv'
    venv.mkdir(parents=True)
    for entry in template.iterdir():
        if entry.name == 'bin':
            shutil.copytree(entry, venv / 'bin', symlinks=True)
        elif entry.name == 'installed':
            shutil.copy2(entry, venv)
        else:
            (venv / entry.name).symlink_to(entry)
    made = [machine.data.parents[1], machine.data.parent, machine.data]
    (machine.data / 'written').write_text(
        ''.join(f'dir {path}\n' for path in made) + f'venv {venv}\n',
    )
    return machine


@pytest.fixture
def fresh(tmp_path: Path) -> Machine:
    """A machine where nothing is installed, and pip cannot get anything."""
    machine = Machine(tmp_path, SOURCES)
    machine.env.update({'PIP_NO_INDEX': '1', 'PIP_CONFIG_FILE': os.devnull})
    return machine


def test_one_command_sets_up_a_repository(machine: Machine) -> None:
    repo = machine.repository()
    said = machine.run('sh', os.path.relpath(machine.sources / 'install.sh', repo), '.',
                       cwd=repo)
    assert 'already installed' in said.out
    assert (repo / '.gitattributes').read_text().splitlines() == [
        f'*.{name} filter=model diff=model merge=model -text'
        for name in ('safetensors', 'npy', 'npz', 'keras', 'h5', 'pt', 'pth', 'onnx',
                     'msgpack', 'gguf')
    ]
    machine.path_too(machine.home / '.local/bin')
    numpy.save(repo / 'm.npy', numpy.arange(3.0))
    machine.run('git', 'add', '.', cwd=repo)
    machine.run('git', 'commit', '-q', '-m', 'a model', cwd=repo)
    kept = machine.run('git', 'cat-file', 'blob', 'HEAD:m.npy', cwd=repo)
    assert kept.out.startswith('git-model manifest v1\n')
    assert machine.run('git', 'model', 'env', cwd=repo).err == ''


def test_without_an_argument_it_is_the_repository_here(machine: Machine) -> None:
    repo = machine.repository()
    (repo / 'folder').mkdir()
    machine.install(cwd=repo / 'folder')
    assert (repo / '.gitattributes').exists()


def test_it_does_not_set_up_its_own_sources(machine: Machine, tmp_path: Path) -> None:
    own = copy_sources(tmp_path / 'sources')
    machine.run('git', 'init', '-q', own)
    machine.sources = own
    before = tree(own)
    said = machine.install(cwd=own)
    assert 'To set up a repository' in said.out
    assert tree(own) == before


def test_the_second_run_changes_nothing(machine: Machine) -> None:
    repo = machine.repository()
    machine.install(repo)
    before = tree(machine.home)
    said = machine.install(repo)
    assert 'already installed' in said.out
    assert 'is already set up' in said.out
    assert said.out.count('is tracked already') == 10
    assert tree(machine.home) == before


def test_uninstall_leaves_everything_as_it_was(machine: Machine) -> None:
    repo = machine.repository()
    (repo / '.gitattributes').write_text('*.txt text\n')
    before = tree(repo)
    machine.install(repo)
    assert tree(repo) != before
    said = machine.install('--uninstall', repo)
    assert f"In '{repo}':" in said.out
    assert tree(machine.home) == {
        str(Path(repo.name, name)): data for name, data in before.items()
    } | {repo.name: None}
    assert 'nothing to undo' in machine.install('--uninstall').out


def test_uninstall_says_what_becomes_of_models(machine: Machine) -> None:
    repo = machine.repository()
    machine.install(repo)
    machine.path_too(machine.home / '.local/bin')
    numpy.save(repo / 'm.npy', numpy.arange(3.0))
    model = (repo / 'm.npy').read_bytes()
    machine.run('git', 'add', '.', cwd=repo)
    machine.run('git', 'commit', '-q', '-m', 'a model', cwd=repo)
    said = machine.install('--uninstall')
    assert 'git add -u && git add --renormalize . && git commit' in said.out
    assert (repo / 'm.npy').read_bytes() == model
    machine.run('git', 'add', '-u', cwd=repo)
    machine.run('git', 'add', '--renormalize', '.', cwd=repo)
    machine.run('git', 'commit', '-q', '-m', 'in Git itself', cwd=repo)
    kept = subprocess.run(('git', 'cat-file', 'blob', 'HEAD:m.npy'), cwd=repo,
                          capture_output=True, check=True).stdout
    assert kept == model


def test_the_program_stays_while_a_repository_uses_it(machine: Machine) -> None:
    one, two = machine.repository('one'), machine.repository('two')
    before = tree(one)
    machine.install(one)
    machine.install(two)
    said = machine.install('--uninstall', one)
    assert f'these repositories use it:\n    {two}\n' in said.out
    assert tree(one) == before
    machine.install('--uninstall')
    assert not machine.data.exists()


def test_settings_made_by_hand_stay(machine: Machine) -> None:
    repo = machine.repository()
    machine.install()
    machine.path_too(machine.home / '.local/bin')
    machine.run('git', 'model', 'install', '--local', cwd=repo)
    machine.run('git', 'model', 'track', '*.npy', cwd=repo)
    before = tree(repo)
    machine.install(repo)
    machine.install('--uninstall')
    assert tree(repo) == before


def test_a_repository_that_is_gone_is_forgotten(machine: Machine) -> None:
    repo = machine.repository()
    machine.install(repo)
    shutil.rmtree(repo)
    assert 'not a repository any more' in machine.install('--uninstall').out
    assert tree(machine.home) == {}


def test_only_what_install_set_up_is_undone(machine: Machine) -> None:
    repo = machine.repository()
    machine.install()
    before = tree(machine.home)
    said = machine.install('--uninstall', repo, code=1)
    assert said.err.startswith(f"error: install.sh did not set up '{repo}'\nhint: ")
    assert tree(machine.home) == before


def test_a_foreign_program_is_left_alone(machine: Machine) -> None:
    repo = machine.repository()
    foreign = machine.home / '.local/bin/git-model'
    foreign.parent.mkdir(parents=True)
    foreign.write_text('#!/bin/sh\necho foreign\n')
    before = tree(machine.home)
    said = machine.install(repo, code=1)
    assert said.err.startswith(f"error: '{foreign}' is another program; it was left")
    assert tree(machine.home) == before


def test_another_program_first_on_path_is_pointed_at(machine: Machine) -> None:
    other = machine.home / 'other'
    other.mkdir()
    (other / 'git-model').write_text('#!/bin/sh\necho foreign\n')
    (other / 'git-model').chmod(0o755)
    machine.path_too(other, machine.home / '.local/bin')
    said = machine.install()
    assert f"first 'git-model' on PATH is another one: '{other}/git-model'" in said.err


@pytest.mark.usefixtures('old_git')
def test_a_foreign_hook_is_left_alone(machine: Machine) -> None:
    repo = machine.repository()
    hook = repo / '.git/hooks/pre-push'
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\nexit 0\n')
    before = tree(repo)
    said = machine.install(repo, code=1)
    assert 'there is another pre-push hook' in said.out + said.err
    assert hook.read_text() == '#!/bin/sh\nexit 0\n'
    assert (repo / '.gitattributes').exists()
    machine.install('--uninstall')
    assert tree(repo) == before


@pytest.mark.usefixtures('new_git')
def test_with_git_2_54_the_hooks_are_settings(machine: Machine) -> None:
    repo = machine.repository()
    foreign = repo / '.git/hooks/pre-push'
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text('#!/bin/sh\nexit 0\n')
    foreign.chmod(0o755)
    before = tree(repo)
    said = machine.install(repo)
    assert 'Set the hooks pre-push and prepare-commit-msg there, too.' in said.out
    assert not (repo / '.git/hooks/prepare-commit-msg').exists()
    assert 'is already set up' in machine.install(repo).out
    machine.install('--uninstall')
    assert tree(repo) == before


def test_files_of_another_filter_are_left_alone(machine: Machine) -> None:
    repo = machine.repository()
    (repo / '.gitattributes').write_text('*.npz filter=lfs -text\n*.npy -filter\n')
    said = machine.install(repo)
    assert "*.npz is left alone: its attributes say 'filter: lfs'" in said.out
    assert "*.npy is left alone: its attributes say 'filter: unset'" in said.out
    assert 'Tracking *.safetensors' in said.out


def test_a_folder_on_path_gets_links_too(machine: Machine) -> None:
    tool, own = machine.home / 'tool/bin', machine.home / 'bin'
    tool.mkdir(parents=True)
    (tool.parent / 'pyvenv.cfg').touch()
    own.mkdir()
    machine.path_too(tool, own)
    before = tree(own)
    machine.install()
    assert machine.run('git', 'model', 'version').out.startswith('git-model version')
    assert not list(tool.iterdir())
    machine.install('--uninstall')
    assert tree(own) == before


def test_where_no_folder_is_suitable_it_says_what_to_type(machine: Machine) -> None:
    machine.tools.chmod(0o777)
    said = machine.install()
    assert '\n    export PATH="$HOME/.local/bin:$PATH"\n' in said.out


def test_man_finds_the_pages(machine: Machine) -> None:
    machine.install()
    assert (machine.home / '.local/share/man/man1/git-model.1').read_text().count('.SH')


def test_demo_needs_no_repository(machine: Machine) -> None:
    repo = machine.repository()
    before = tree(repo)
    said = machine.install('--demo', cwd=repo)
    assert said.out.count('All checks passed.') == 1
    assert tree(repo) == before


@pytest.mark.parametrize(('args', 'code', 'error'), [
    (['nowhere'], 128, "error: cannot use 'nowhere': "),
    (['.'], 128, "error: cannot use '.': not a git repository"),
    (['--frobnicate'], 129, "error: unknown option '--frobnicate'"),
    (['a', 'b'], 129, 'error: only one repository can be given'),
    (['--demo', '--uninstall'], 129, 'error: --demo and --uninstall exclude'),
])
def test_mistakes_are_said_before_anything_is_written(
    fresh: Machine, args: list[str], code: int, error: str,
) -> None:
    said = fresh.install(*args, code=code)
    assert said.err.startswith(error)
    assert tree(fresh.home) == {}


@pytest.mark.parametrize(('python', 'error', 'hint'), [
    (None, 'no Python was found', 'install Python 3.10'),
    (OLD_PYTHON, 'Python 3.10 or newer is needed; found only: 3.8', 'install a newer'),
    (BARE_PYTHON, "Python 3.12 cannot make a virtual environment: 'ensurepip'",
     'on Debian and Ubuntu it is a package: apt-get install python3-venv'),
])
def test_no_python_that_will_do(
    fresh: Machine, python: str | None, error: str, hint: str,
) -> None:
    (fresh.tools / 'python3').unlink()
    if python:
        (fresh.tools / 'python3').write_text(python)
        (fresh.tools / 'python3').chmod(0o755)
    said = fresh.install(code=1)
    assert said.err.startswith(f'error: {error}')
    assert f'\nhint: {hint}' in said.err
    assert tree(fresh.home) == {}


def test_no_git(fresh: Machine) -> None:
    (fresh.tools / 'git').unlink()
    assert fresh.install(code=1).err.startswith('error: Git was not found\nhint: ')


def test_no_network_leaves_nothing_that_uninstall_does_not_remove(
    fresh: Machine,
) -> None:
    said = fresh.install(code=1)
    assert 'error: pip could not install the package' in said.err
    assert 'hint: it needs the network' in said.err
    fresh.install('--uninstall')
    assert tree(fresh.home) == {}


@pytest.mark.skipif(not shutil.which('shellcheck'), reason='there is no shellcheck')
def test_shellcheck_has_nothing_to_say() -> None:
    subprocess.run(('shellcheck', SOURCES / 'install.sh'), check=True)
