"""Ask an address of this container until it answers 200: for HEALTHCHECK, and to wait for a neighbour."""

import argparse
import http.client
import os
import sys
import time


def answers(port: int, path: str) -> bool:
    """Whether it does, within three seconds."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        line.request("GET", path)
        return line.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def main() -> int:
    """The exit status: 0 where it answered."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--port", type=int, default=int(os.environ.get("READMIT_PORT", "8000")))
    asked.add_argument("--path", default="/health/live")
    asked.add_argument("--patience", type=float, default=0, help="seconds")
    told = asked.parse_args()
    end = time.monotonic() + told.patience
    while not (answered := answers(told.port, told.path)) and time.monotonic() < end:
        time.sleep(1)
    return not answered


if __name__ == "__main__":
    sys.exit(main())
