"""Connection to Milvus, in this process or on a server, whose errors are those of wrong input."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import disk_is_full

LIMIT = 16_000  # rows of an answer; a server gives 16384
_RETRIES = 6  # of a call, within 4 seconds: a server that is gone is no reason to wait
_FLUSH_RETRIES = 30  # within 90 seconds: servers allow a flush every 10 seconds


class Milvus:
    """A ``MilvusClient`` for a folder (Milvus Lite) or a server's address; it has the client's methods.

    Args:
        place: Folder, or address.
        token: Of a server.
        db_name: Of a server.

    Raises:
        InputError: ``pymilvus`` is missing; here and in each method, what Milvus refuses or cannot do: the message
            names the place.
    """

    def __init__(self, place: str, token: str = "", db_name: str = "") -> None:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its notes of keep-alive pings
        try:
            from grpc import RpcError
            from pymilvus import MilvusClient
            from pymilvus.exceptions import MilvusException
        except ImportError:
            raise InputError("galleries need pymilvus and milvus-lite: pip install 'mmpersonsearch[gallery]'") from None
        for name in ("pymilvus", "milvus_lite"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are raised, and become one line
        self.place, self.remote = place, "://" in place
        self._errors = (MilvusException, RpcError)
        uri = place if self.remote else str(Path(place, "milvus.db"))
        try:
            self._client = self._call(MilvusClient, uri=uri, token=token, db_name=db_name)
        except ValueError as error:  # of the address, which is read as an URL; InputError is one, too
            raise error if isinstance(error, InputError) else InputError(f"{place}: {error}") from error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        options = dict(retry_times=_RETRIES) if self.remote else {}
        return partial(self._call, getattr(self._client, name), **options)

    def flush(self, *names: str) -> None:
        """Have Milvus write what was added to collections to its files.

        Milvus Lite forgets the rows of a flush that fails for want of space, and deletes their log with the next one:
        it is not tried then.
        """
        if not self.remote:
            logs = sum(one.stat().st_size for one in Path(self.place).rglob("wal/*"))
            if logs and shutil.disk_usage(self.place).free < 1.5 * logs + 2**20:
                raise InputError(f"{disk_is_full(self.place)}; what was added before is kept")
        for name in names:
            self._call(self._client.flush, name, **(dict(retry_times=_FLUSH_RETRIES) if self.remote else {}))

    def close(self) -> None:
        """Close the connection, or the database."""
        self._client.close()

    def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except self._errors as error:
            raise InputError(self._explain(error)) from error

    def _explain(self, error: Exception) -> str:
        text = f"{getattr(error, 'message', '')} {_rpc_details(error)}".strip() or str(error)
        if "No space left" in text:
            return f"{disk_is_full(self.place)}; what was added before is kept"
        if "auth check" in text:
            return f"{self.place}: the Milvus server refuses the token: {text}"
        if self.remote and any(word in text for word in ("UNAVAILABLE", "Fail connecting")):
            return f"{self.place}: no Milvus server answers there, or it is gone"
        return f"{self.place}: Milvus: {text}"


def _rpc_details(error: BaseException | None) -> str:
    """Find what gRPC says of an error; pymilvus raises it anew as one of its own."""
    while error is not None and not hasattr(error, "details"):
        error = error.__context__
    return "" if error is None else str(error.details())
