"""Build the Postcard model: `python train.py STAGE --out FOLDER [--budget MINUTES]`, one stage at a time."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from clip_stage import align_pictures, train_clip
from enlarger_stage import train_enlarger
from evaluate_stage import evaluate, train_judge
from export_stage import export
from moments_stage import train_moments
from motion_figures import JUDGED, evaluate_motion, motion_figures, train_motion_judge
from motion_stage import load_films, train_motion
from start_stage import start_from
from tokenizer import build_tokenizer
from unet_stage import load_pools, train_unet
from vae_stage import load_vae, train_decoder, train_vae

STAGES = (
    "tokenizer",
    "start",
    "vae",
    "clip",
    "pool",
    "unet",
    "align",
    "decoder",
    "enlarger",
    "films",
    "moments",
    "motion",
    "export",
    "judge",
    "evaluate",
    "motion-judge",
    "motion-figures",
)
BUDGETS = {
    "vae": 60.0,
    "clip": 30.0,
    "unet": 120.0,
    "align": 15.0,
    "decoder": 15.0,
    "enlarger": 10.0,
    "moments": 75.0,
    "motion": 75.0,
    "judge": 8.0,
    "motion-judge": 8.0,
}


def main() -> None:
    """Run the stage named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints, pools and sheets")
    parser.add_argument("--budget", type=float, help="minutes of active training time")
    parser.add_argument("--target", type=Path, help="folder of the finished model (start, export, evaluate)")
    parser.add_argument("--untrained", action="store_true", help="export random weights, to test loading code")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="processes that train the U-Net together")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    minutes = args.budget or BUDGETS.get(args.stage, 0.0)
    target = args.target or args.out / "model"
    match args.stage:
        case "tokenizer":
            build_tokenizer(args.out / "wheels", args.out / "tokenizer")
        case "start":
            start_from(target, args.out)
        case "vae":
            train_vae(args.out, minutes)
        case "clip":
            train_clip(args.out, minutes)
        case "pool":
            load_pools(args.out, *load_vae(args.out))
        case "unet":
            train_unet(args.out, minutes, args.workers)
        case "align":
            align_pictures(args.out, minutes)
        case "decoder":
            train_decoder(args.out, minutes)
        case "enlarger":
            train_enlarger(args.out, minutes)
        case "films":
            load_films(args.out, *load_vae(args.out))
        case "moments":
            train_moments(args.out, minutes, args.workers)
        case "motion":
            train_motion(args.out, minutes, args.workers)
        case "motion-judge":
            train_motion_judge(args.out, minutes)
        case "motion-figures":
            evaluate_motion(args.out, 0, JUDGED)
            motion_figures(args.out)
        case "export":
            export(args.out, target, args.untrained)
        case "judge":
            train_judge(args.out, load_vae(args.out)[0], minutes)
        case "evaluate":
            evaluate(args.out, target)


if __name__ == "__main__":
    main()
