"""The command line."""

from pdejax.cli._main import main as main
