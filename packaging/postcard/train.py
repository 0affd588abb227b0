"""Build the Postcard model: `python train.py STAGE --out FOLDER [--budget MINUTES]`, one stage at a time."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from evaluate_stage import evaluate, load_judge
from export_stage import export
from tokenizer import build_tokenizer
from unet_stage import load_pools, train_unet
from vae_stage import load_vae, train_vae

STAGES = ("tokenizer", "vae", "pool", "unet", "export", "judge", "evaluate")
BUDGETS = {"vae": 44.0, "unet": 72.0, "judge": 4.0, "evaluate": 4.0}


def main() -> None:
    """Run the stage named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints, pools and sheets")
    parser.add_argument("--budget", type=float, help="minutes of active training time")
    parser.add_argument("--target", type=Path, help="folder of the finished model (export, evaluate)")
    parser.add_argument(
        "--untrained", action="store_true", help="export random weights, to test loading code"
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    minutes = args.budget or BUDGETS.get(args.stage, 0.0)
    target = args.target or args.out / "model"
    match args.stage:
        case "tokenizer":
            build_tokenizer(args.out / "wheels", args.out / "tokenizer")
        case "vae":
            train_vae(args.out, minutes)
        case "pool":
            load_pools(args.out, *load_vae(args.out / "vae.pt"))
        case "unet":
            train_unet(args.out, minutes)
        case "export":
            export(args.out, target, args.untrained)
        case "judge":
            load_judge(args.out, load_vae(args.out / "vae.pt")[0], minutes)
        case "evaluate":
            evaluate(args.out, target, minutes)


if __name__ == "__main__":
    main()
