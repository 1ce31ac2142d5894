"""WordPress' own files, and what they make of an address in a post."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tests" / "site" / "wordpress.php"
FOLDERS = (Path("/usr/share/wordpress"), ROOT / ".setup" / "wordpress" / "usr" / "share" / "wordpress")
PHP = shutil.which("php")
FOLDER = next((folder for folder in FOLDERS if (folder / "wp-includes" / "embed.php").is_file()), None)
MISSING = "PHP and the files of WordPress are not here: sh setup.sh servers, as root on Debian"


def embed(url: str, html: str = "") -> dict[str, Any]:
    """`embedded` is what stands for the address in a post, `kept` what is left of HTML, `asked` what it asked for."""
    assert PHP
    assert FOLDER
    told = json.dumps({"url": url, "html": html})
    done = subprocess.run([PHP, SCRIPT, FOLDER], input=told, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found
