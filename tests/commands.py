"""The root scripts, run as users run them."""

import subprocess
import sys

from conftest import ROOT


def command(script, *args, **options):
    return subprocess.run(
        [sys.executable, script, *map(str, args)], cwd=ROOT, capture_output=True, text=True, timeout=120, **options
    )


def started(script, *args, **options):
    return subprocess.Popen([sys.executable, script, *map(str, args)], cwd=ROOT, text=True, **options)


def succeed(script, *args):
    result = command(script, *args)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result


def fail(script, *args, **options):
    result = command(script, *args, **options)
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def build_page(*args):
    """Writes the page for browsers."""
    command = [sys.executable, ROOT / "deploy" / "web" / "build.py", *args]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
