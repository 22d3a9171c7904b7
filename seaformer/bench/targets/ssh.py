"""A Linux board behind ssh: the bundle's runner in a detached process on one of its cores.

``ssh:HOST``, ``ssh:USER@HOST:PORT``: a Raspberry Pi or any other 64-bit ARM computer. The OpenSSH
client connects (``android_bench/ssh.py``); what runs there, and how, is that of a phone
(``_remote.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from seaformer.android_bench.board import BoardCare, BoardProbe, read_board
from seaformer.android_bench.connection import ConnectionPolicy, Phone
from seaformer.android_bench.ssh import SshAddress, SshOpener
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets._remote import RemoteDevice, RemoteTarget
from seaformer.core.measurement import Flag
from seaformer.runtime.build.arm64 import build_arm64_bundle
from seaformer.runtime.build.bundle import Bundle

Progress = Callable[[str], None]


class BoardTarget(RemoteTarget):
    """Runs requests on one board; ``probe`` is what it reported, the rest of ``RemoteTarget``."""

    def __init__(
        self,
        board: Phone,
        bundle: Bundle,
        probe: BoardProbe,
        options: TargetOptions = TargetOptions(),
        progress: Progress = lambda sentence: None,
    ) -> None:
        notes = tuple(Flag("unexpected board", False, note) for note in probe.notes)
        device = RemoteDevice(probe.info, BoardCare(board), probe.offline, notes)
        super().__init__(board, bundle, device, options, progress)


def open_target(
    progress: Progress | None = None,
    host: str = "",
    *,
    options: TargetOptions = TargetOptions(),
    policy: ConnectionPolicy = ConnectionPolicy(),
) -> BoardTarget:
    """The board at ``host`` (``[USER@]HOST[:PORT]``); the bundle is built at first use.

    Raises ``UsageError`` for what is not an address, the reason why ssh cannot connect,
    ``DeviceError`` for a board that is not 64-bit ARM, or ``MissingExtra``.
    """
    report = progress or (lambda sentence: None)
    opener = SshOpener(SshAddress.parse(host))
    board: Phone | None = None
    try:
        place, pause = opener.place(), options.pause or time.sleep
        board = Phone(
            opener, opener.device, place=place, policy=policy, progress=report, pause=pause
        )
        probe = read_board(board.script, board.serial, place.parent)
        report(f"{board.serial}: connected by {board.way} ({board.why})")
        bundle = build_arm64_bundle(progress, libraries=options.engines)
        return BoardTarget(board, bundle, probe, options, report)
    except BaseException:
        opener.close()
        if board is not None:
            board.close()
        raise
