"""Commits, tags and trees as bytes: what is not changed stays."""
from __future__ import annotations

from git_model_driver.git import raw
from git_model_driver.git.raw import Entry

A, B, C = 'a' * 40, 'b' * 40, 'c' * 40
_SIGNED = f'''\
tree {A}
parent {A}
parent {B}
author J\xf6rg <j@x> 1 +051800
committer <> 99999999999 -0000
gpgsig -----BEGIN PGP SIGNATURE-----
 parent of all
{' '}
 =x
 -----END PGP SIGNATURE-----
encoding latin-1
mergetag object {B}
 type commit
{' '}
 gone
x-odd

tree {A}
no newline at the end'''.encode('latin-1')


def test_a_commit_loses_its_signatures_and_nothing_else() -> None:
    commit = raw.commit(_SIGNED, A)
    assert (commit.tree, commit.parents) == (A, (A, B))
    data, lost = commit.rewritten(C, (C, B))
    assert lost == 2
    assert data == f'''\
tree {C}
parent {C}
parent {B}
author J\xf6rg <j@x> 1 +051800
committer <> 99999999999 -0000
encoding latin-1
x-odd

tree {A}
no newline at the end'''.encode('latin-1')


def test_a_tag_loses_its_signature() -> None:
    text = f'object {A}\ntype commit\ntag v\ntagger A <a> 1 +0000\n\nv\n'
    signature = '-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n'
    for signed in ('', signature):
        tag = raw.tag((text + signed).encode())
        assert (tag.oid, tag.kind) == (A, 'commit')
        assert tag.rewritten(B) == (text.replace(A, B).encode(), bool(signed))


def test_a_new_file_is_put_where_git_has_it() -> None:
    listed = [
        Entry(b'100644', b'-', A), Entry(b'40000', b'.gitattributes', A),
        Entry(b'120000', b'a\n', A), Entry(b'40000', b'b', A),
        Entry(b'160000', b'c', A),
    ]
    assert raw.entries(raw.tree(listed), 20) == listed
    for name, at in ((b'-.', 1), (b'.git', 1), (b'.h', 2), (b'b.', 3), (b'b0', 4)):
        new = Entry(b'100644', name, B)
        assert raw.placed(listed, new) == [*listed[:at], new, *listed[at:]]
