"""Objects to a server and from it, several at a time, each to the end or not at all."""
from __future__ import annotations

import re
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from functools import partial
from http.client import HTTPException
from http.client import HTTPResponse

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.git.progress import Progress
from git_model_driver.store import cores
from git_model_driver.store import memory
from git_model_driver.store.batch import Batch
from git_model_driver.store.incoming import Incoming
from git_model_driver.store.incoming import incoming
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objects import Store
from git_model_driver.transfer import workers
from git_model_driver.transfer.groups import groups
from git_model_driver.transfer.lfs.api import Action
from git_model_driver.transfer.lfs.api import Answer
from git_model_driver.transfer.lfs.api import Server
from git_model_driver.transfer.lfs.api import in_groups
from git_model_driver.transfer.lfs.descriptions import Description
from git_model_driver.transfer.lfs.web import Refused
from git_model_driver.transfer.lfs.web import Request
from git_model_driver.transfer.remotestore import source_of

_RANGE = re.compile(r'bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)')
_STEP = 256 << 20
_OCTETS = {'Content-Type': 'application/octet-stream'}


def upload(
    server: Server, sizes: Mapping[Oid, int], paths: Mapping[Oid, str], store: Store,
) -> int:
    """Send what the server lacks; how many that was. Raises GitModelError."""
    sent = 0
    memory.keep()
    with Progress('Sending tensors', sum(sizes.values())) as progress:
        for some in in_groups(sorted(sizes)):
            answers = server.ask({oid: sizes[oid] for oid in some})
            for oid in some:
                if (error := answers[oid].error) is not None:
                    raise _of_path(error, paths[oid])
            lacking = [oid for oid in some if 'upload' in answers[oid].actions]
            for oid in lacking:
                source_of(oid, paths[oid], store)
            progress.add(sum(sizes[oid] for oid in set(some) - set(lacking)))
            send = partial(_send, server, store, progress, sizes, paths, answers)
            workers.each(send, lacking)
            sent += len(lacking)
    return sent


def _of_path(error: Refused, path: str) -> Refused:
    return Refused(f"cannot push '{path}': {error.message}", *error.hints,
                   code=error.code)


def _send(
    server: Server, store: Store, progress: Progress, sizes: Mapping[Oid, int],
    paths: Mapping[Oid, str], answers: Mapping[Oid, Answer], oid: Oid,
) -> None:
    """From the worktree where it is there as it is, else decoded."""
    size, path = sizes[oid], paths[oid]

    def put(actions: Mapping[str, Action]) -> None:
        action = actions['upload']
        server.web.read(Request(
            'PUT', action.href,
            {**_OCTETS, **_length(action.headers, size), **action.headers},
            partial(_pieces, oid, path, size, store, progress), action.carries_token,
        ))
        if 'verify' in actions:
            _verify(server, actions['verify'], oid, size)

    _in_time(server, oid, size, answers[oid], 'upload', put)


def _verify(server: Server, action: Action, oid: Oid, size: int) -> None:
    """Raises GitModelError where the server does not accept what it got; Refused only
    where the token is too old, so that it is asked whether it has the object now.
    """
    try:
        server.verify(action, oid, size)
    except Refused as e:
        if e.code == 401:
            raise
        raise GitModelError(e.message, *e.hints) from None


def _length(headers: Mapping[str, str], size: int) -> dict[str, str]:
    """Unless the server wants it in chunks."""
    if any(name.lower() == 'transfer-encoding' for name in headers):
        return {}
    return {'Content-Length': str(size)}


def _pieces(
    oid: Oid, path: str, size: int, store: Store, progress: Progress,
) -> Iterator[memoryview]:
    """The raw bytes, read while they are sent."""
    sent = 0
    with store.open_raw(oid, path) as file:
        try:
            for chunk in file.chunks():
                yield chunk
                sent += len(chunk)
                progress.add(len(chunk))
        finally:
            if sent < size:     # it will be sent again
                progress.add(-sent)


def _in_time(
    server: Server, oid: Oid, size: int, answer: Answer, name: str,
    act: Callable[[Mapping[str, Action]], None],
) -> None:
    """Do what the server said, as long as that holds, and ask again once if it does
    not.
    """
    if not any(action.is_late for action in answer.actions.values()):
        try:
            return act(answer.actions)
        except Refused as e:
            if e.code not in (401, 403) or not answer.actions[name].carries_token:
                raise
    again = server.ask({oid: size})[oid]
    if again.error is not None:
        raise again.error
    if name in again.actions:       # or another has sent it meanwhile
        act(again.actions)


def download(
    server: Server, wanted: Mapping[Oid, Description], store: Store,
) -> bool:
    """Get what the server has into the store; whether it has any of it.

    Raises GitModelError; what had come by then is in the store all the same, and what
    came in part is gone on with the next time.
    """
    refused, got = None, False
    memory.keep()
    sizes = {oid: each.nbytes for oid, each in wanted.items()}
    with Progress('Receiving tensors', sum(sizes.values())) as progress:
        for some in in_groups(sorted(sizes)):
            try:
                answers = server.ask({oid: sizes[oid] for oid in some})
            except Refused as e:
                if e.code not in (404, 410, 422):
                    raise
                refused = e         # some say so when none of these is there
                continue
            there = {o: a for o, a in answers.items() if 'download' in a.actions}
            # So much as may lie around twice, as it came and as it is stored.
            for step in groups(there, sizes.__getitem__, _STEP):
                asked = {oid: there[oid] for oid in step}
                _receive_all(server, asked, wanted, store, progress)
            got = got or bool(there)
    if refused and not got:
        raise refused
    return got


def _receive_all(
    server: Server, answers: Mapping[Oid, Answer], wanted: Mapping[Oid, Description],
    store: Store, progress: Progress,
) -> None:
    stored: list[Incoming] = []
    core = threading.BoundedSemaphore(cores.threads())

    def receive(batch: Batch, oid: Oid) -> None:
        size = wanted[oid].nbytes or answers[oid].size
        with incoming(store.root, oid, size, store.recent) as file:
            _receive(server, file, answers[oid], progress)
            with core:
                batch.put_incoming(file, wanted[oid].form)
            if file.room is not None:
                store.recent.add(oid, file.room)
        stored.append(file)

    failure = workers.put_each(receive, answers, store)
    for file in stored:
        file.remove()
    if failure is not None:
        raise failure


def _receive(
    server: Server, file: Incoming, answer: Answer, progress: Progress,
) -> None:
    """All that is lacking of a file. Raises GitModelError, CorruptObject."""
    progress.add(file.done)
    resumed = file.done > 0
    get = _Get(server, file, progress)
    get.complete(answer)
    if not file.is_whole() and resumed:     # the beginning was damaged
        get.restart()
        get.complete(answer)
    if not file.is_whole():
        raise get.other_bytes()


class _Get:
    """Requests for one object, until all of it is there."""

    def __init__(self, server: Server, file: Incoming, progress: Progress) -> None:
        self._server = server
        self._file = file
        self._progress = progress
        self._buffer = memoryview(bytearray(min(CHUNK, max(1, file.nbytes))))

    def complete(self, answer: Answer) -> None:
        file = self._file
        while file.done < file.nbytes:
            before = file.done
            try:
                _in_time(self._server, file.oid, file.nbytes, answer, 'download', self)
            except CorruptObject:
                raise
            except GitModelError as e:
                if file.done and isinstance(e, Refused) and e.code == 416:
                    self.restart()
                elif file.done <= before:
                    raise       # it does not even go on slowly

    def __call__(self, actions: Mapping[str, Action]) -> None:
        action = actions['download']

        def request() -> Request:
            headers = dict(action.headers)
            if self._file.done:
                headers['Range'] = f'bytes={self._file.done}-'
            return Request('GET', action.href, headers, None, action.carries_token)

        self._server.web.ask(request, self._take)

    def _take(self, response: HTTPResponse) -> bytes:
        file = self._file
        self._begin(response)
        while n := response.readinto(self._buffer):
            if file.done + n > file.nbytes:
                raise self.other_bytes()
            file.write(self._buffer[:n])
            self._progress.add(n)
        if file.done < file.nbytes:
            raise HTTPException(f'cut short after {file.done} of {file.nbytes} bytes')
        return b''

    def _begin(self, response: HTTPResponse) -> None:
        """Go on where the file ends, or start anew where the server does."""
        match = _RANGE.fullmatch(response.headers.get('Content-Range', ''))
        if response.status == 206 and match and int(match[1]) == self._file.done:
            return
        self.restart()
        if response.status == 206:
            raise HTTPException('an answer to another question')

    def restart(self) -> None:
        self._progress.add(-self._file.done)
        self._file.restart()

    def other_bytes(self) -> CorruptObject:
        self.restart()
        return CorruptObject(
            f"'{self._server.shown}' sent other bytes than those of {self._file.oid}",
            'it is damaged there, or on the way; try again with "git model pull", or '
            'get it from another clone: git model fetch <repository>',
            oid=self._file.oid,
        )
