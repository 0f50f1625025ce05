"""A folder that one process at a time holds."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from .errors import InputError


def hold(folder: Path) -> Any:
    """Hold a folder as long as the returned file is open.

    Raises:
        InputError: Another process holds it; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "holder.json").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        text = file.read()
        file.close()
        holder = json.loads(text) if text else dict(pid="?", host="?", command="?")
        raise InputError(
            f"gallery {folder} is held by process {holder['pid']} on {holder['host']}: {holder['command']}; one "
            "process at a time can open a folder, several can use a server"
        ) from None
    file.truncate(0)
    json.dump(dict(pid=os.getpid(), host=socket.gethostname(), command=" ".join(sys.argv)[:200]), file)
    file.flush()
    return file
