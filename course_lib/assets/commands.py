"""`course assets`: fetch, check and list the data that the lessons use."""

import argparse

from course_lib.assets.fetch import ensure, find, megabytes
from course_lib.assets.manifest import Asset, manifest


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course assets` to the command line."""
    parser = subparsers.add_parser(
        "assets", help="fetch and verify the data that the lessons use",
        description="Fetch what is missing or damaged, and check every file against the manifest.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these assets (default: all)")
    parser.add_argument("--offline", action="store_true", help="check only, without the network; exit 1 on a fault")
    parser.add_argument("--list", action="store_true", help="say what each one is, its licence and whom to credit")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out `course assets`; 0 when every asset asked for is whole."""
    assets = [find(name) for name in arguments.names] or list(manifest().values())
    if arguments.list:
        print("\n\n".join(description(asset) for asset in assets))
        return 0
    if not arguments.offline:
        ensure(asset.name for asset in assets)
    faults = {asset.name: asset.faults() for asset in assets}
    for asset in assets:
        state = "; ".join(faults[asset.name]) or f"whole, {megabytes(asset.bytes)} in {asset.folder}"
        print(f"{asset.name:<16} {state}")
    if any(faults.values()):
        print("Run `course assets` with a network to fetch what is not whole.")
        return 1
    return 0


def description(asset: Asset) -> str:
    """What the asset is, where it comes from, its licence and whom to credit, as a paragraph."""
    return "\n".join([
        f"{asset.name}: {asset.what}",
        f"  lessons  {', '.join(asset.lessons)}",
        f"  from     {asset.requirement}, {asset.archive} ({megabytes(asset.archive_bytes)} to download)",
        f"  licence  {asset.licence}",
        f"  credit   {asset.credit}",
        f"  state    {'; '.join(asset.faults()) or 'whole'}",
    ])
