"""Twofold: how long does the backward pass take against the forward pass, and why?"""

__version__ = "0.1.0"
