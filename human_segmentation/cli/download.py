"""The scripts that fetch what PaddleX 1.3's tutorial fetched, from its addresses.

The addresses are years old and may have gone. Their owner publishes neither sizes nor checksums: what is checked is the
length that the server tells and that the archive is whole.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from human_segmentation.cli import Parser, exit_code
from human_segmentation.download import Archive, download
from human_segmentation.errors import DownloadError

MODELS = [
    Archive(
        f"https://bj.bcebos.com/paddlex/examples/human_seg/models/{name}.tar",
        "use the model that ships, pretrain_weights/humanseg_mobile_inference, or name another server with --mirror",
        size=None,
        sha256=None,
    )
    for name in (
        "humanseg_server_params",
        "humanseg_server_inference",
        "humanseg_mobile_params",
        "humanseg_mobile_inference",
        "humanseg_mobile_quant",
    )
]
# The tutorial's clip goes to a folder: data/video_test.mp4 is the one that ships, which tests and figures are of.
DATA = [
    Archive(
        f"https://paddleseg.bj.bcebos.com/humanseg/data/{name}.zip",
        "name another server with --mirror, or bring a data set of your own (humanseg convert --help)",
        size=None,
        sha256=None,
    )
    for name in ("mini_supervisely", "video_test")
]


def main(archives: Sequence[Archive], folder: Path, argv: Sequence[str] | None = None) -> int:
    """Fetches archives as the arguments say.

    Args:
        archives: What can be fetched.
        folder: Where it is unpacked.
        argv: The arguments; None takes the process's own.

    Returns:
        The exit code: 0; 2 for anything that went wrong; 130 after Ctrl-C.
    """
    known = {archive.name: archive for archive in archives}
    parser = Parser(description=f"Fetches archives and unpacks each to its folder in {folder}.")
    parser.add_argument("--name", nargs="+", choices=list(known), default=list(known), help="which ones; default: all")
    parser.add_argument("--list", action="store_true", help="only tell what there is")
    parser.add_argument("--force", action="store_true", help="replace folders that are there")
    parser.add_argument("--mirror", metavar="BASE", help="take BASE/FILE in place of the address of each FILE")
    args = parser.parse_args(argv)
    if args.list:
        for archive in archives:
            print(f"{archive.name:26} {archive.url}" + _known(archive))
        return 0
    return exit_code(lambda: _run([known[name] for name in args.name], folder, args.mirror, args.force))


def _run(archives: Sequence[Archive], folder: Path, mirror: str | None, force: bool) -> int:
    """Fetches what is not there yet. An archive that cannot be had does not end it, a full disk does."""
    code = 0
    for archive in archives:
        target = folder / archive.name
        if target.exists() and not force:
            print(f"{target}: is there already; --force replaces it")
            continue
        try:
            print(download(archive, folder, mirror))
        except DownloadError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
    return code


def _known(archive: Archive) -> str:
    """What is known about an archive besides its address."""
    size = "size unknown" if archive.size is None else f"{archive.size:,} bytes"
    checksum = "SHA-256 unknown" if archive.sha256 is None else f"SHA-256 {archive.sha256}"
    return f"  ({size}, {checksum})"
