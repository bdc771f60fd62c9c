"""selfjudge: teach a vision-language model to judge answers about images, without a single human label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import fcntl  # noqa: F401  # folders are locked with it
except ImportError:
    raise ImportError("selfjudge runs on Linux and macOS; on Windows use it inside WSL 2.") from None

if TYPE_CHECKING:
    from .judge import Case, Judge, Preference, Ranking

    __version__: str

__all__ = ["Case", "Judge", "Preference", "Ranking", "__version__"]


def __getattr__(name: str) -> Any:
    """What costs time to import is imported when it is first asked for."""
    if name in ("Case", "Judge", "Preference", "Ranking"):
        from . import judge

        return getattr(judge, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("selfjudge")
    raise AttributeError(f"module 'selfjudge' has no attribute '{name}'")
