"""A proxy that lets only such requests and answers through as Twilio's own description allows.

The description is not part of this project. It is patched in memory where it is stricter or vaguer than Twilio itself:
arrays in forms are repeated fields, addresses of pages are relative, errors are answers too.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.contract.rest import free_port

PRISM = Path(__file__).parent / "prism" / "node_modules" / ".bin" / "prism"
USED = ("Calls.json", "Calls/{Sid}.json", "IncomingPhoneNumbers.json")
ERRORS = ("400", "401", "404", "429")
PROBLEM = {
    "type": "object",
    "required": ["code", "message", "status"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "status": {"type": "integer"}},
}


def patched(description: dict[str, Any]) -> dict[str, Any]:
    """The part of the description that is used, fit for checking."""
    prefix = "/2010-04-01/Accounts/{AccountSid}/"
    paths = {path: description["paths"][path] for path in (prefix + name for name in USED)}
    for path in paths.values():
        path.pop("servers", None)
        for operation in (path[method] for method in ("get", "post", "delete") if method in path):
            for form in operation.get("requestBody", {}).get("content", {}).values():
                arrays = [k for k, v in form["schema"].get("properties", {}).items() if v.get("type") == "array"]
                form["encoding"] = {name: {"style": "form", "explode": True} for name in arrays}
                form["schema"]["additionalProperties"] = False
            for status in ERRORS:
                content = {"application/json": {"schema": PROBLEM}}
                operation["responses"][status] = {"description": "refused", "content": content}
            for status in ("500", "502", "503"):
                operation["responses"][status] = {"description": "Twilio's own error"}
            _relative(operation)
    for schema in description["components"]["schemas"].values():
        _relative(schema)
    return {**description, "paths": paths, "servers": [{"url": "/"}]}


def _relative(part: Any) -> None:
    if isinstance(part, dict):
        if part.get("format") == "uri":
            part["format"] = "uri-reference"
        for each in part.values():
            _relative(each)
    elif isinstance(part, list):
        for each in part:
            _relative(each)


@contextmanager
def proxying(description: Path, upstream: str, folder: Path) -> Iterator[str]:
    """The proxy's address while it runs. A request or answer that breaks the description becomes an error."""
    used = folder / "description.json"
    used.write_text(json.dumps(patched(json.loads(description.read_text()))))
    port = free_port()
    log = (folder / "prism.log").open("w")
    command = [PRISM, "proxy", used, upstream, "--errors", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(process, port, folder / "prism.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=2)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(log.read_text()[-2000:])
