from __future__ import annotations

from git_model_driver.merging.notes import gathered


def test_many_notes_of_a_kind_are_one_line() -> None:
    pairs = [
        f'layers.{i}.q: cut back to rank 8, relative error {i}.50%' for i in range(5)
    ]
    others = ['x: rows added, 2 by ours', 'warning: all is lost', 'y: error 3%']
    assert gathered([others[0], *pairs, *others[1:]]) == [
        others[0],
        '5 times cut back to rank 8, relative error 4.50%, or less (layers.4.q)',
        *others[1:],
    ]


def test_few_notes_stay_as_they_are() -> None:
    notes = ['a: error 1%', 'b: error 2%', 'c: error 3%']
    assert gathered(notes) == notes
    assert gathered([]) == []
