"""The commands as processes, and the script of docs/farms.md, as it stands there."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from seedvr2.cli import main
from seedvr2.media import open_source
from tests.seedvr2.farm.conftest import Farm
from tests.seedvr2.farm.jobs import CLIP, FRAMES, MOST, kinds, packets

ROOT = Path(__file__).parents[3]
WAY = ("--model", "nano", "--dtype", "float32", "--resolution", "32", "--batch-size", "1", "--output-format", "mkv")

SEEDVR2 = f"""#!{sys.executable}
import sys
from seedvr2.cli import main
if sys.argv[1] == "plan":
    from seedvr2 import attempts
    attempts.frames_at_a_time = lambda *_args, **_more: {MOST}
sys.exit(main())
"""
SRUN = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift; done
exec "$@"
"""
# Tasks of an array in random order, two at a time; all others one by one.
SBATCH = """#!/bin/sh
for argument; do
  case $argument in
    --array=*) tasks=$(eval "seq $(echo "${argument#--array=}" | tr - ' ')" | shuf) ;;
    --wrap=*) script=${argument#--wrap=} ;;
  esac
done
if [ -z "$tasks" ]; then exec sh -c "$script"; fi
echo $tasks >> "$ORDER"
echo "$tasks" | SCRIPT=$script xargs -P 2 -I '{}' sh -c 'SLURM_ARRAY_TASK_ID={} sh -c "$SCRIPT"' >&2 && echo 4711
"""


def run(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=300, env=environment)


def seedvr2(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "seedvr2", *arguments)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"seedvr2": SEEDVR2, "srun": SRUN, "sbatch": SBATCH}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    return folder


@pytest.mark.long
def test_the_script_for_slurm_gives_what_one_machine_gives(farm: Farm, tools: Path, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "farms.md").read_text()
    (script,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    (tmp_path / "farm.sh").write_text(script)
    source, target = tmp_path / "it's a clip.mkv", tmp_path / "the result.mkv"
    source.write_bytes(CLIP.read_bytes())
    job = tmp_path / "with space"
    job.mkdir()
    path = f"{tools}:{os.environ['PATH']}"
    order = tmp_path / "order"
    done = subprocess.run(
        ["bash", str(tmp_path / "farm.sh"), str(source), str(target), *WAY],
        cwd=job,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "ORDER": str(order)},
    )
    assert done.returncode == 0, done.stderr
    assert sorted(order.read_text().split()) == ["0", "1", "2", "3"]
    assert packets(target) == packets(farm.whole)
    assert kinds(target) == ["video", "audio", "subtitle", "attachment"]
    with open_source(target) as result, open_source(farm.whole) as whole:
        pairs = list(zip(result.frames(), whole.frames(), strict=True))
    assert len(pairs) == FRAMES and all((one.image == two.image).all() for one, two in pairs)


@pytest.mark.long
def test_a_task_is_run_again_and_says_what_was_there(farm: Farm, tmp_path: Path) -> None:
    plan = tmp_path / "p.json"
    plan.write_text(json.dumps(farm.plan.as_dict()))
    (farm.parts / "seg-00002").unlink()
    done = seedvr2("segment", plan, "1-2", farm.parts, "--quiet")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    frames = [segment.frames for segment in farm.plan.frozen.segments]
    assert first.endswith(f"seg-00001  {frames[1]} frames  was there already")
    assert re.search(rf"seg-00002  {frames[2]} frames  \d", second)
    assert seedvr2("segment", plan, "0,3", tmp_path / "new" / "folder", "--quiet").returncode == 2
    assert seedvr2("segment", plan, "3", f"{tmp_path}/new/folder/", "--quiet").returncode == 0
    assert (tmp_path / "new/folder/seg-00003").read_bytes() == (farm.parts / "seg-00003").read_bytes()


@pytest.mark.parametrize("number", ["4", "x", "3-", "-1", "1,,2", "", "5-3"])
def test_numbers_that_are_none_are_a_wrong_request(
    farm: Farm, tmp_path: Path, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "p.json"
    plan.write_text(json.dumps(farm.plan.as_dict()))
    assert main(["segment", str(plan), "--", number, str(tmp_path)]) == 2
    assert re.match(r"seedvr2: (N takes numbers such as|The plan has the segments 0 to 3)", capsys.readouterr().err)


@pytest.mark.long
def test_what_the_commands_end_with(farm: Farm, tmp_path: Path) -> None:
    plan = tmp_path / "p.json"
    plan.write_text(json.dumps(farm.plan.as_dict()))
    joined = seedvr2("join", plan, farm.parts, tmp_path)
    assert joined.returncode == 0 and joined.stdout.startswith(f"{tmp_path}/{CLIP.name}  48x32  {FRAMES} frames  nano")
    assert packets(tmp_path / CLIP.name) == packets(farm.whole)
    again = seedvr2("join", plan, farm.parts, tmp_path)
    assert again.returncode == 1 and f"{CLIP.name} exists already" in again.stderr
    empty = seedvr2("join", plan, tmp_path, tmp_path / "out.mkv")
    assert empty.returncode == 1 and "these cannot be joined (missing: 0-3)" in empty.stderr
    other = {**farm.plan.as_dict(), "engine": "0.0.1"}
    plan.write_text(json.dumps(other))
    refused = seedvr2("segment", plan, "0", f"{tmp_path}/none/")
    assert refused.returncode == 2 and "and the plan was made with 0.0.1; use the same" in refused.stderr
    assert "Traceback" not in again.stderr + empty.stderr + refused.stderr
