"""What was measured is kept, bounded, and read back; a damaged file is no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.core.measurements import KEPT, LEAST, Measurement, add_measurements, correction, read_measurements


def one(ratio: float = 1.5, pixels: int = 4096, key: str = "k", stage: str = "denoising") -> Measurement:
    return Measurement(key, stage, pixels, 10 * LEAST, round(ratio * 10 * LEAST))


def test_they_come_back_and_the_oldest_go(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "memory.json"
    for number in range(KEPT + 3):
        add_measurements(file, [one(pixels=number + 1)])
    assert [found.pixels for found in read_measurements(file)] == list(range(4, KEPT + 4))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_noise_is_not_kept(tmp_path: Path) -> None:
    add_measurements(tmp_path / "m", [Measurement("k", "decoding", 1, LEAST, LEAST - 1), one(0.01), one(20)])
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 1, "measurements": []}', '{"version": 2, "measurements": [{"key": "k"}]}',
     '{"version": 2, "measurements": [{"key": "k", "stage": "s", "pixels": 0, "estimated": 1, "measured": 1}]}'],
)  # fmt: skip
def test_a_damaged_file_is_no_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    file.write_text(text, encoding="utf-8")
    assert read_measurements(file) == ()
    add_measurements(file, [one()])
    assert read_measurements(file) == (one(),)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    add_measurements(tmp_path / "file" / "memory.json", [one()])


def test_the_nearest_size_counts_and_of_two_the_later() -> None:
    known = [one(1.2, 1024), one(1.4, 4096), one(1.6, 4096), one(2.0, 16384)]
    assert correction(known, "k", "denoising", 4000) == pytest.approx(1.6)
    assert correction(known, "k", "denoising", 1200) == pytest.approx(1.2)
    assert correction(known, "k", "denoising", 10**6) == pytest.approx(2.0)


def test_another_key_or_stage_says_nothing() -> None:
    assert correction([one()], "other", "denoising", 4096) == 1
    assert correction([one()], "k", "decoding", 4096) == 1
    assert correction([], "k", "decoding", 4096) == 1
