"""`convert`: makes list files and masks of other data sets."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a kind of data set."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")

    supervisely = kinds.add_parser("supervisely", help="a Supervisely project")
    supervisely.add_argument("source", type=Path, metavar="SRC", help="folder with meta.json")
    supervisely.add_argument("target", type=Path, metavar="DST", help="folder to write")
    supervisely.add_argument(
        "--classes", nargs="+", default=[], help="classes that are people; default: those that begin with 'person'"
    )

    eg1800 = kinds.add_parser("eg1800", help="EG1800 as PortraitNet used it")
    eg1800.add_argument("source", type=Path, metavar="SRC", help="folder with Images, Labels and the two lists")
    eg1800.add_argument("target", type=Path, metavar="DST", help="folder to write")

    coco = kinds.add_parser("coco", help="the people of COCO")
    coco.add_argument("annotations", type=Path, metavar="ANNOTATIONS", help="such as instances_train2017.json")
    coco.add_argument("images", type=Path, metavar="IMAGES", help="folder of the photos")
    coco.add_argument("target", type=Path, metavar="DST", help="folder to write")
    coco.add_argument(
        "--empty", type=float, default=0.0, metavar="SHARE", help="share of the photos without people to list too"
    )

    composite = kinds.add_parser("composite", help="cut-out people in front of other backgrounds")
    composite.add_argument("cutouts", type=Path, metavar="CUTOUTS", help="folder of RGBA cut-outs")
    composite.add_argument("backgrounds", type=Path, metavar="BACKGROUNDS", help="folder of photos without people")
    composite.add_argument("target", type=Path, metavar="DST", help="folder to write")
    composite.add_argument("--count", type=int, required=True, metavar="N", help="how many photos to make")
    composite.add_argument("--size", type=int, nargs=2, default=[640, 480], metavar=("W", "H"), help="their size")
    composite.add_argument("--seed", type=int, default=0, help="seed of everything random")


def run(args: argparse.Namespace) -> int:
    """Converts and prints what was written."""
    from human_segmentation.datasets.converters import coco, composite, eg1800, supervisely

    if args.kind == "supervisely":
        lists = supervisely.convert_supervisely(args.source, args.target, args.classes)
    elif args.kind == "eg1800":
        lists = eg1800.convert_eg1800(args.source, args.target)
    elif args.kind == "coco":
        lists = coco.convert_coco(args.annotations, args.images, args.target, args.empty)
    else:
        lists = composite.convert_composite(
            args.cutouts, args.backgrounds, args.target, args.count, tuple(args.size), args.seed
        )
    for written in lists:
        print(written)
    return 0
