"""A fake phone by hand: ``python -m tests.fakes.phone --profile two-core --port 5600``.

It says that it is emulated, so that no row measured on it passes for a phone's; with
``--as-a-phone`` it does not, to try what is done with real ones only.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.fakes.phone import EMULATED, FakePhone, profiles


def main() -> None:
    """Runs until Ctrl-C."""
    parser = argparse.ArgumentParser(description="An Android phone's adb daemon on loopback.")
    parser.add_argument("--profile", default="two-core", choices=profiles.names())
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--auth", default="none", choices=("none", "accept", "pending", "refuse"))
    parser.add_argument("--as-a-phone", action="store_true")
    chosen = parser.parse_args()
    properties = {} if chosen.as_a_phone else EMULATED
    with FakePhone(
        chosen.profile, auth=chosen.auth, port=chosen.port, properties=properties
    ) as phone:
        sys.stdout.write(f"{phone.address}\n/data/local/tmp is {phone.root}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
