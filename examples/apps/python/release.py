"""What this release is. A process starts in its release's directory, where `app.env` holds its settings."""

import os


def _settings():
    try:
        with open("app.env", encoding="utf-8") as file:
            return dict(line.strip().split("=", 1) for line in file if "=" in line)
    except FileNotFoundError:
        return {}


ID = os.environ.get("ROLLCORE_RELEASE_ID", "unreleased")
PORT = int(os.environ.get("ROLLCORE_PORT", "0"))
SETTINGS = _settings()
