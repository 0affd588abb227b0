"""Measures the library of models: the first scan of N files, a scan from the cached index, and a search.

    python tests/benchmark/library.py [--files N]

Files are headers with holes, a third of them with a preview picture and notes beside them, in folders of 250 as people
have them. Times are medians of five, the first scan's is one; the disk's cache is warm.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from desktop_app.checkpoints.consent import Consents
from desktop_app.checkpoints.index import Index
from desktop_app.studio.model_library import ModelLibrary, scan_library
from tests.checkpoints.headers import write_header

PER_FOLDER = 250
LORA = {
    f"lora_unet_down_blocks_{block}_attentions_{place}_transformer_blocks_0_attn2_to_k.{side}.weight": shape
    for block in range(3)
    for place in range(2)
    for side, shape in (("lora_down", (8, 768)), ("lora_up", (320, 8)))
}


def make_files(root: Path, count: int) -> None:
    for number in range(count):
        folder = root / "Lora" / f"folder {number // PER_FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        file = write_header(folder / f"style {number}.safetensors", LORA, metadata={"ss_network_dim": "8"})
        if number % 3 == 0:
            file.with_suffix(".preview.png").write_bytes(b"\x89PNG\r\n\x1a\n")
            notes = {"description": "Soft evening light.", "activation text": f"golden hour {number}"}
            file.with_suffix(".json").write_text(json.dumps(notes))


def seconds(work: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def search(library: ModelLibrary) -> None:
    library.show_only("golden hour 42", "", "")
    library.show_only("", "", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="Safelight-") as folder:
        root, index = Path(folder, "models"), Path(folder, "index.json")
        make_files(root, options.files)

        def scan() -> tuple:
            return scan_library([root], Index(index), lambda: False)

        print(f"first scan          {seconds(scan, 1):7.2f} s of {options.files:,} files")
        print(f"from the index      {seconds(scan):7.2f} s, as at every start")
        library = ModelLibrary(lambda: [root], index, Consents(root / "consents.json"))
        library.items = scan()
        print(f"a search            {seconds(lambda: search(library)):7.3f} s, and the whole list again")
        print(f"index               {index.stat().st_size / 1e6:7.1f} MB")
        library.close()


if __name__ == "__main__":
    main()
