"""The command line as `python -m pdejax`."""

from pdejax.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
