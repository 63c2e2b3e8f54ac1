"""The process of `attn` and of `python -m attn_cli`."""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, whose import would take longer than this whole module
if TYPE_CHECKING:
    from typing import NoReturn


def entry() -> NoReturn:
    """Run the command line of this process and leave it with the exit status.

    Before anything else is imported, the system's default for Ctrl-C is restored: until a command
    begins, the signal ends the process without a traceback.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from attn_cli.cli import entry as run_this_process

    run_this_process()


if __name__ == "__main__":
    entry()
