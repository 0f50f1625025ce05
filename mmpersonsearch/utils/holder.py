"""A folder that one process at a time holds."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from .errors import InputError
from .files import read_json_file, write_whole


def hold(folder: Path) -> BaseFileLock:
    """Hold a folder until the returned lock is released, or the process ends.

    Raises:
        InputError: Another process holds it, which the message names; its disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, note = FileLock(folder / "holder.lock", blocking=False), folder / "holder.json"
    try:
        lock.acquire()
    except Timeout:
        holder = read_json_file(note) if note.exists() else dict(pid="?", host="?", command="?")
        raise InputError(
            f"gallery {folder} is held by process {holder['pid']} on {holder['host']}: {holder['command']}; one "
            "process at a time can open a folder, several can use a server"
        ) from None
    words = ["***" if before in ("--auth", "--token") else word for before, word in zip(["", *sys.argv], sys.argv)]
    words = [re.sub("^(--auth|--token)=.*", r"\1=***", word, flags=re.DOTALL) for word in words]
    holder = dict(pid=os.getpid(), host=socket.gethostname(), command=" ".join(words)[:200])
    try:
        write_whole(note, json.dumps(holder).encode())
    except (OSError, InputError):
        lock.release()
        raise
    return lock
