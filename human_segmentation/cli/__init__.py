"""The commands, and what they share: quiet libraries, one sentence for an error, exit code 2."""

import argparse
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

from human_segmentation import __version__
from human_segmentation.errors import HumanSegError

# Sub-command of `humanseg` -> module here and what it does. The root scripts have PaddleX 1.3's names.
COMMANDS = {
    "train": ("train", "train a model on photos with labels"),
    "eval": ("evaluate", "measure a model on photos with labels"),
    "infer": ("infer", "write masks, scores and cut-outs of photos"),
    "export": ("export", "write a trained model for deployment"),
    "quant": ("quantize", "write a trained model in INT8"),
    "lite": ("lite", "convert an exported model for Paddle Lite on phones"),
    "import": ("import_legacy", "import a model of PaddleX 1.x"),
    "convert": ("convert", "make lists and masks of another data set"),
    "video": ("video_infer", "put the person of a video or camera on white"),
    "replace": ("replace", "put the people of a photo, video or camera in front of another background"),
}
INTERRUPTED = 130
NOT_FOR_RUNNING = ("paddle", "onnx")
"""Packages that `pip install .` leaves out."""


class Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong with the arguments, where `argparse` prints the usage of all of them too."""

    def error(self, message: str) -> NoReturn:
        """See `argparse.ArgumentParser`."""
        self.exit(2, f"error: {message}; {self.prog} --help says what can be given\n")


def run_command(name: str, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs one command.

    Args:
        name: A key of `COMMANDS`.
        argv: The arguments after the command's name; None takes the process's own.
        prog: The command's name in its usage text.

    Returns:
        The exit code: 0; 2 for anything that the user gave wrong; 130 after Ctrl-C.
    """
    _quiet()

    def run() -> int:
        module_name, summary = COMMANDS[name]
        module = importlib.import_module(f"human_segmentation.cli.{module_name}")
        parser = Parser(prog=prog, description=summary[0].upper() + summary[1:] + ".")
        module.add_arguments(parser)
        return module.run(parser.parse_args(argv))

    return exit_code(run)


def exit_code(run: Callable[[], int]) -> int:
    """Runs something; says in one sentence what the user gave wrong, and returns 2 then, and 130 after Ctrl-C."""
    try:
        return run()
    except HumanSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # nobody reads what is printed any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would be printed at the end
        return 2
    except OSError as error:  # such as a name that is too long, a locked folder above what was given, a full disk
        place = "what is printed" if error.filename is None else error.filename
        print(f"error: {place}: {error.strerror}; give another path", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in NOT_FOR_RUNNING:
            raise
        print(
            f"error: this command needs {error.name}, which running a model does not; in the repository, run: "
            "pip install '.[quant]'",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def main() -> int:
    """The console command `humanseg COMMAND ...`."""
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:{width}}  {summary}" for name, (_, summary) in COMMANDS.items())
    parser = Parser(
        prog="humanseg",
        description="Takes people out of photographs and video and puts them somewhere else.",
        epilog=f"commands:\n{listing}\n\nhumanseg COMMAND --help says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"humanseg {__version__}")
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND")
    args = parser.parse_args(sys.argv[1:2])
    return run_command(args.command, sys.argv[2:], prog=f"humanseg {args.command}")


def _quiet() -> None:
    """Keeps paddle from printing what no user can act on, and names of files from being no text that can be printed."""
    os.environ.setdefault("GLOG_minloglevel", "3")  # which it reads when it is imported
    warnings.filterwarnings("ignore", module=r"paddle\.")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
