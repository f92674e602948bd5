"""Out-of-hours mail: answered with what was agreed, filed for the next callback window."""

__version__ = "0.1.0"
