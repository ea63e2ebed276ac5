"""Libraries that only training needs: loaded when used, so that the rest works without them."""

from importlib import import_module
from typing import Any

from training.errors import SettingError


def needed(module: str) -> Any:
    """The module. Raises SettingError where it, or something that it needs, is not installed."""
    try:
        return import_module(module)
    except ImportError as missing:
        lacking = missing.name or module
        remedy = "Install it: pip install 'readmit-cds[train]'"
        raise SettingError(module, f"needs {lacking}, which is not installed", remedy) from missing
