"""An SFTP server of its own process (paramiko) for one user, over a folder."""
from __future__ import annotations

import os
import socket
import sys
import threading
from typing import Any

import paramiko
from paramiko import SFTPAttributes


class _Handle(paramiko.SFTPHandle):
    def stat(self) -> Any:
        return SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


def _told(error: OSError) -> Any:
    return paramiko.SFTPServer.convert_errno(error.errno or 0)


class _Files(paramiko.SFTPServerInterface):
    root = ''

    def _real(self, path: str) -> str:
        return self.root + self.canonicalize(path)

    def stat(self, path: str) -> Any:
        try:
            return SFTPAttributes.from_stat(os.stat(self._real(path)))
        except OSError as e:
            return _told(e)

    lstat = stat

    def list_folder(self, path: str) -> Any:
        try:
            return [
                SFTPAttributes.from_stat(entry.stat(), entry.name)
                for entry in os.scandir(self._real(path))
            ]
        except OSError as e:
            return _told(e)

    def open(self, path: str, flags: int, attr: Any) -> Any:
        try:
            fd = os.open(self._real(path), flags, 0o644)
        except OSError as e:
            return _told(e)
        handle = _Handle(flags)
        mode = 'wb' if flags & (os.O_WRONLY | os.O_RDWR) else 'rb'
        handle.readfile = handle.writefile = os.fdopen(fd, mode)
        return handle

    def _done(self, call: Any, *args: Any) -> Any:
        try:
            call(*args)
        except OSError as e:
            return _told(e)
        return paramiko.SFTP_OK

    def remove(self, path: str) -> Any:
        return self._done(os.remove, self._real(path))

    def mkdir(self, path: str, attr: Any) -> Any:
        return self._done(os.mkdir, self._real(path))

    def rename(self, old: str, new: str) -> Any:
        return self._done(os.rename, self._real(old), self._real(new))

    posix_rename = rename


class _User(paramiko.ServerInterface):
    def __init__(self, key: str) -> None:
        self._key = key

    def check_auth_publickey(self, username: str, key: Any) -> int:
        if key.get_base64() == self._key:
            return int(paramiko.AUTH_SUCCESSFUL)
        return int(paramiko.AUTH_FAILED)

    def get_allowed_auths(self, username: str) -> str:
        return 'publickey'

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


def _serve(connection: socket.socket, host: Any, key: str) -> None:
    transport = paramiko.Transport(connection)
    transport.add_server_key(host)
    transport.set_subsystem_handler('sftp', paramiko.SFTPServer, _Files)
    transport.start_server(server=_User(key))


def main() -> None:
    """Arguments: the folder, the file with the user's public key."""
    _Files.root = sys.argv[1]
    with open(sys.argv[2], encoding='ascii') as file:
        key = file.read().split()[1]
    host = paramiko.ECDSAKey.generate()
    listening = socket.create_server(('127.0.0.1', 0))
    port = listening.getsockname()[1]
    print(f'[127.0.0.1]:{port} {host.get_name()} {host.get_base64()}', flush=True)
    kept = []
    while True:
        connection, _ = listening.accept()
        kept.append(threading.Thread(target=_serve, args=(connection, host, key)))
        kept[-1].start()


if __name__ == '__main__':
    main()
