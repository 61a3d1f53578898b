"""How long do the commands take, and how much memory? Decides what may be done by default.

Runs `embgeo --help`, `analyze` and `compress` of stored vectors in separate processes and prints seconds, CPU seconds
and peak memory beside the targets: help 0.3 s, analyze 10 s, compress 45 s on 2 idle cores, 1.5 GB. Half of the CPU
seconds is a lower bound on what an idle machine with 2 cores needs.

    python benchmarks/commands.py [--data ../shared/data/scifact] [--repeats 1]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMORY_MARK = 1.5e9


def measure(command: list[str]) -> tuple[float, float, int]:
    """Seconds, CPU seconds and peak resident bytes of a command; exits if it fails."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if child.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)}\nended with {child.returncode}: {errors.read().decode()[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "scifact"
    parser.add_argument("--data", type=Path, default=default, help="BEIR folder with minilm-docs/queries.npy")
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args()
    embgeo = [sys.executable, "-m", "embgeo.cli"]
    with tempfile.TemporaryDirectory() as out:
        subject = [f"vectors:{chosen.data / 'minilm-docs.npy'}", str(chosen.data), "--queries-vectors",
                   str(chosen.data / "minilm-queries.npy"), "--out", out, "--quiet"]  # fmt: skip
        jobs: list[tuple[str, list[str], float]] = [("--help", ["--help"], 0.3)]
        if chosen.data.is_dir():
            jobs += [("analyze", ["analyze", *subject], 10), ("compress", ["compress", *subject], 45)]
        else:
            print(f"{chosen.data} is missing: --help only")
        print(f"{'command':10s} {'seconds':>8s} {'target':>6s} {'cpu s':>8s} {'peak GB':>8s} {'target':>6s}")
        for name, arguments, mark in jobs:
            for _ in range(chosen.repeats):
                seconds, busy, peak = measure([*embgeo, *arguments])
                print(f"{name:10s} {seconds:8.2f} {mark:6.1f} {busy:8.2f} {peak / 1e9:8.2f} {MEMORY_MARK / 1e9:6.1f}"
                      f"{'' if seconds <= mark and peak <= MEMORY_MARK else '   OVER'}", flush=True)  # fmt: skip
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
