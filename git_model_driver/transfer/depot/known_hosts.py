"""SFTP to hosts that the user's ssh knows. fsspec's own trusts any on first sight."""
from __future__ import annotations

from typing import Any


def connect(url: str) -> tuple[Any, str]:
    """The file system, and the path of the address in it."""
    import paramiko
    from fsspec.config import apply_config
    from fsspec.implementations.sftp import SFTPFileSystem

    class Known(SFTPFileSystem):        # type: ignore[misc]
        def _connect(self) -> None:
            self.client = paramiko.SSHClient()
            self.client.load_system_host_keys()
            self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
            self.client.connect(self.host, **self.ssh_kwargs)
            self.ftp = self.client.open_sftp()

        def _open(self, path: str, mode: str = 'rb', **options: Any) -> Any:
            if 'w' not in mode:
                return super()._open(path, mode, **options)
            return Pipelined(self.ftp.open(self._strip_protocol(path), mode, 0))

    options = apply_config(SFTPFileSystem, {
        **SFTPFileSystem._get_kwargs_from_urls(url), 'skip_instance_cache': True,
    })
    host = options.pop('host')
    return Known(host, **options), str(Known._strip_protocol(url))


class Pipelined:
    """A file to write to. What the server answers is waited for at its end, all of it.

    Nothing else may be asked in the session until then: paramiko drops what the server
    said of these writes when it waits for another answer, and so a disk that is full;
    or it waits for good for what it has dropped. The file is not buffered: what is left
    in a buffer would be tried again when it is closed.
    """

    def __init__(self, file: Any) -> None:
        file.set_pipelined(True)
        self._file = file
        self._last = b''

    def write(self, data: Any) -> None:
        self._file.write(self._last)
        self._file.write(data[:-1])
        self._last = bytes(data[-1:])

    def close(self) -> None:
        """Raises OSError where any of the writes failed."""
        self._file.set_pipelined(False)     # the next one waits for all before it
        self._file.write(self._last)
        self._file.close()

    def discard(self) -> None:
        self._file.close()
