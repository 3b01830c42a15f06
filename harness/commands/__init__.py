"""Programs beside the sweep: `python -m harness.commands.NAME`."""
