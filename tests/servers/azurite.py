"""Azurite: Microsoft's own stand-in for Azure Blob Storage."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from .server import TOOLS, Server, free_port, missing

ACCOUNT = "devstoreaccount1"
# The key that Azurite publishes for everybody.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Azurite:
    def __init__(self, folder: Path) -> None:
        program, node = TOOLS / "node_modules" / ".bin" / "azurite-blob", shutil.which("node")
        if node is None or not program.exists():
            missing("Azurite (npm)")
        self.port = free_port()
        command = [str(node), str(program), "--silent", "--location", str(folder), "--blobHost", "127.0.0.1"]
        command += ["--blobPort", str(self.port), "--skipApiVersionCheck", "--disableTelemetry"]
        self.server = Server(command, folder, self._ready)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def env(self) -> dict[str, str]:
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
        }

    @property
    def connection_string(self) -> str:
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint};"

    @property
    def client(self) -> Any:
        """Microsoft's client, past the store under test."""
        credential = {"account_name": ACCOUNT, "account_key": KEY}
        return BlobServiceClient(self.endpoint, credential=credential, retry_total=0)

    def make_container(self, name: str) -> str:
        self.client.create_container(name)
        return name

    def sas_token(self, container: str) -> str:
        """A token for everything in one container, good for an hour."""
        return str(
            generate_container_sas(
                ACCOUNT,
                container,
                account_key=KEY,
                permission=ContainerSasPermissions(read=True, write=True, list=True, delete=True, create=True),
                expiry=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1),
            )
        )

    def _ready(self) -> None:
        container = self.client.get_container_client("ready")
        if not container.exists():
            container.create_container()
        container.upload_blob("ready", b"1", overwrite=True)
