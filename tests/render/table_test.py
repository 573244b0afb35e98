"""Rows of words in columns."""
from __future__ import annotations

import pytest

from git_model_driver.render import table
from git_model_driver.render.face import Face
from git_model_driver.render.table import Cell
from git_model_driver.render.table import Column

ROWS = (
    ('NAME', 'SIZE', ''),
    ('model.layers.17.self_attn.q_proj.weight', '1.0 MiB', '*'),
    ('ü 重み e\u0301', '12 B', ''),
)
COLUMNS = (table.NAME, table.RIGHT, Column(gap=' '))


def test_columns_are_aligned_and_nothing_is_cut_when_piped() -> None:
    assert list(table.lines(ROWS, COLUMNS)) == [
        'NAME                                        SIZE',
        'model.layers.17.self_attn.q_proj.weight  1.0 MiB *',
        'ü 重み e\u0301                                    12 B',
    ]


def test_on_a_terminal_names_lose_their_middle() -> None:
    assert list(table.lines(ROWS, COLUMNS, Face(40), '  ')) == [
        '  NAME                            SIZE',
        '  model.layers.…q_proj.weight  1.0 MiB *',
        '  ü 重み e\u0301                        12 B',
    ]


@pytest.mark.parametrize('width', range(1, 60))
def test_no_line_is_wider_than_the_terminal_unless_it_is_tiny(width: int) -> None:
    shown = list(table.lines(ROWS, COLUMNS, Face(width)))
    widest = max(map(table.columns_of, shown))
    assert widest <= max(width, 12 + len('  1.0 MiB *'))


@pytest.mark.parametrize(('text', 'width', 'kept'), [
    ('abcdefghij', 10, 'abcdefghij'),
    ('abcdefghij', 9, 'abcd…ghij'),
    ('abcdefghij', 8, 'abc…ghij'),
    ('重重重重', 7, '重…重重'),
    ('', 1, ''),
    ('ab', 1, '…'),
])
def test_a_name_is_cut_in_the_middle(text: str, width: int, kept: str) -> None:
    assert table.cut(text, width) == kept
    assert table.columns_of(kept) <= width


def test_two_long_columns_share_what_there_is() -> None:
    rows = [('a' * 40, 'b' * 30)]
    line, = table.lines(rows, (table.NAME, table.NAME), Face(42))
    assert line == f'{table.cut("a" * 40, 20)}  {table.cut("b" * 30, 20)}'


def test_colours_are_outside_the_alignment() -> None:
    face = Face(80, lambda key, default: f'<{key}:{default}>')
    rows = [(Cell('x', 'diff.old'), '1'), (Cell('long', 'diff.old'), '22')]
    assert list(table.lines(rows, (table.LEFT, table.RIGHT), face)) == [
        '<color.diff.old:red>x\x1b[m      1', '<color.diff.old:red>long\x1b[m  22',
    ]
    assert face.has_colours and not Face().has_colours
