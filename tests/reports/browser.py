"""Chromium as a reader of reports."""

from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)


class Browser:
    """One window, whose size and colour scheme may be changed."""

    def __init__(self, profile: Path) -> None:
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))

    def open(self, page: Path, width: int = 1400, *, dark: bool = False) -> "Browser":
        """Open a file at a width, in light or dark."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(page.resolve().as_uri())
        self.settle()
        return self

    def run(self, script: str, *args: Any) -> Any:
        """Run a script in the page; returns what it returns."""
        return self.driver.execute_script(script, *args)  # type: ignore[no-untyped-call]

    def settle(self) -> None:
        """Wait until what was asked for is drawn: uPlot draws in a microtask, a resize in the next frame."""
        self.driver.execute_async_script(  # type: ignore[no-untyped-call]
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )

    def mouse(self, kind: str, x: float, y: float, *, clicks: int = 0) -> None:
        """Send a real mouse event at a point of the viewport: mouseMoved, mousePressed, mouseReleased."""
        pressed = kind != "mouseMoved" or clicks
        event = {"type": kind, "x": x, "y": y, "clickCount": clicks, "button": "left" if pressed else "none"}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event | {"buttons": 1 if pressed else 0})

    def complaints(self) -> list[str]:
        """Return what the console says."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def close(self) -> None:
        """End it."""
        self.driver.quit()
