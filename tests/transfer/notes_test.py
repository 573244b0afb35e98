"""Folders of what is known of other sides."""
from __future__ import annotations

from pathlib import Path

from git_model_driver.transfer.notes import folder_of

SIXTEEN = '/sixteen/letters'


def test_every_address_has_a_folder_of_its_own() -> None:
    short = ['origin', 'Origin', 'x', '/a/b', '/a/B', '/a/\udcff', '', SIXTEEN]
    long = [f'https://host/{"a" * 300}', f'https://host/{"a" * 299}b']
    names = [folder_of(where, Path('r')).name for where in short + long]
    assert len(set(map(str.lower, names))) == len(names)
    assert all(len(name) < 140 and name.isalnum() for name in names)
    assert folder_of('/a/b', Path('r')) == Path('r/remotes/x2f612f62')


def test_no_name_gives_away_what_is_in_an_address() -> None:
    for where in ('https://ann:secret@h/a', 'https://h/a?sig=secret'):
        name = folder_of(where, Path('r')).name
        assert len(name) == 32 and b'secret' not in bytes.fromhex(name)
