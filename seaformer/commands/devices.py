"""``seaformer devices``: phones and boards, and what a bench would do with each."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from seaformer.commands._options import AdbHost, AsJson
from seaformer.commands._print import next_step, print_json, show


def devices(
    device: Annotated[
        str, typer.Option(help="serials or ssh:HOST with commas between, or all")
    ] = "all",
    adb_host: AdbHost = "",
    as_json: AsJson = False,
) -> None:
    """List phones, and boards by name: state, chip, cores, the core a bench pins, heat, battery."""
    from seaformer.android_bench.board import list_devices
    from seaformer.android_bench.finder import Finder
    from seaformer.core import codec
    from seaformer.core.errors import DeviceError
    from seaformer.report.phones import phone_page
    from seaformer.report.terminal import Line

    phones = list_devices(Finder(adb_host), device)
    ready = [phone for phone in phones if not phone.error]
    if as_json:
        print_json([codec.to_json(phone) for phone in phones])
    else:
        for number, phone in enumerate(phones):
            show([*[Line("")] * bool(number), *phone_page(phone)])
    if not ready:
        raise typer.Exit(DeviceError.exit_code)
    if not as_json:
        serial = shlex.quote(ready[0].serial)
        next_step(f"seaformer bench --device {serial} --variant t --threads 1")
