"""What no text of ours may say, wherever it stands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BY_NAME = re.compile(r"""pip3? install(?: +-\S+)* +["']?responder(?:\[|["'\s`]|$)""")


def test_nobody_is_told_to_install_us_by_name() -> None:
    """On the public index the name is somebody else's: their program would take the place of this one."""
    files = [
        *(ROOT / "responder").rglob("*.py"),
        *(ROOT / "responder/locale").glob("*.toml"),
        *(ROOT / "systemd").iterdir(),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "config.example.toml")),
    ]
    assert len(files) > 150
    assert [file.name for file in files if _BY_NAME.search(file.read_text())] == []
    for told in ('pip install "responder[oauth]"', "pip install responder", "pip install -U responder\n"):
        assert _BY_NAME.search(told), told
    for harmless in ('pip install "/opt/responder-src[oauth]"', "/opt/responder/bin/pip install /opt/responder-src"):
        assert not _BY_NAME.search(harmless), harmless
