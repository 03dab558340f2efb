"""The command line."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line, see `pdejax.cli._main.main`; that of the process when `argv` is omitted."""
    if argv is None:
        from pdejax._interrupt import end_at_once

        end_at_once()  # before anything else is imported
    from pdejax.cli._main import main as run

    return run(argv)
