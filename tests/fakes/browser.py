"""A real headless Chromium, driven through chromedriver; nothing in it is faked but the medium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--disable-background-networking",
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "sudo apt-get install chromium chromium-driver"


def program() -> str | None:
    """The first browser that is installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def installed() -> bool:
    """Whether a browser and the driver for it are here."""
    return bool(program() and shutil.which("chromedriver"))


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile that logs its console and every request."""
    options = Options()
    options.binary_location = program() or BROWSERS[0]
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(shutil.which("chromedriver"), log_output=os.devnull)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def requests(driver: webdriver.Chrome) -> list[str]:
    """Addresses asked for since this was last called."""
    found = []
    entries = driver.get_log("performance")  # type: ignore[no-untyped-call]
    for entry in entries:
        event: dict[str, Any] = json.loads(entry["message"])["message"]
        if event["method"] == "Network.requestWillBeSent":
            found.append(event["params"]["request"]["url"])
    return found


def resize(driver: webdriver.Chrome, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def prefer(driver: webdriver.Chrome, scheme: str = "light", medium: str = "") -> None:
    """What the reader's system asks for: ``light`` or ``dark``, ``print`` or the screen."""
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},  # nothing glides from under a click
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})
