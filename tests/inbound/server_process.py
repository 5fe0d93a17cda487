"""The server's parts alone in a process of their own, on the port that is named: to be killed, and to be measured."""

import sys

import uvicorn
from starlette.applications import Starlette

from core.http import server_parts

if __name__ == "__main__":
    uvicorn.run(
        Starlette(**server_parts()), host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False
    )
