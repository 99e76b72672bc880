"""A thread that works beside the requests of a process until it is stopped."""

import threading


class Background(threading.Thread):
    """What it does is its ``run``, which waits on ``_ended`` and returns once that is set."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._ended = threading.Event()

    def stop(self) -> None:
        """End after what is at hand."""
        self._ended.set()
        if self.is_alive():
            self.join()
