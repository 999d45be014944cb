"""There must never be two of these: a singleton."""

import signal
import sys
import threading

import release

if release.SETTINGS.get("BROKEN") == "singleton-fails":
    sys.exit("CRON_TABLE missing")

ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
print(f"cron of {release.ID} is up", flush=True)
ended.wait()
