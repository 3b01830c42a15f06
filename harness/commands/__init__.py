"""The programs besides the sweep itself: `python -m harness.commands.NAME`."""
