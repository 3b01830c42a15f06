"""A user's mistake: one sentence that names the value, what was expected and what to do."""


class UserError(Exception):
    """Shown as its message alone, with a non-zero exit; never as a traceback."""
