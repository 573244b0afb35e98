"""An LFS server, seen as a place that has tensors."""
from __future__ import annotations

from collections.abc import Mapping

from git_model_driver.core.oid import Oid
from git_model_driver.store.objects import Store
from git_model_driver.transfer.lfs import transfers
from git_model_driver.transfer.lfs.api import Server
from git_model_driver.transfer.lfs.descriptions import Description
from git_model_driver.transfer.lfs.endpoint import Endpoint
from git_model_driver.transfer.lfs.web import Refused
from git_model_driver.transfer.lfs.web import Web


class LfsServer:
    """Asked at ``endpoint``; ``home`` is the address of the remote itself."""

    def __init__(
        self, endpoint: Endpoint, home: str, operation: str,
        settings: Mapping[str, str],
    ) -> None:
        self._web = Web(
            [home, endpoint.url],
            int(_number(settings, 'lfs.transfer.maxretries', 5)),
            _number(settings, 'lfs.transfer.maxretrydelay', 10),
            _number(settings, 'lfs.activitytimeout', 30) or 30,
        )
        self._server = Server(endpoint, operation, self._web)

    def lacking(self, sizes: Mapping[Oid, int]) -> set[Oid]:
        try:
            answers = self._server.ask(sizes)
        except Refused as e:
            if e.code not in (404, 410, 422):       # some say so if none is there
                raise
            return set(sizes)
        finally:
            self._web.close()
        return {oid for oid in sizes if 'download' not in answers[oid].actions}

    def upload(
        self, sizes: Mapping[Oid, int], paths: Mapping[Oid, str], store: Store,
    ) -> int:
        try:
            return transfers.upload(self._server, sizes, paths, store)
        finally:
            self._web.close()

    def download(self, wanted: Mapping[Oid, Description], store: Store) -> bool:
        try:
            return transfers.download(self._server, wanted, store)
        finally:
            self._web.close()


def _number(settings: Mapping[str, str], key: str, default: float) -> float:
    try:
        return max(0.0, float(settings.get(key, default)))
    except ValueError:
        return default
