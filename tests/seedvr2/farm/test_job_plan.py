"""The plan as a file."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from seedvr2.catalogue.hashes import sha256_of
from seedvr2.errors import OptionError
from seedvr2.farm.job_plan import read_job_plan
from seedvr2.nano import DIT_FILE
from tests.seedvr2.farm.conftest import Farm
from tests.seedvr2.farm.jobs import CLIP, FRAMES


def test_a_plan_is_the_same_after_it_was_a_file(farm: Farm, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**farm.plan.as_dict(), "forecast": {"anything": 1}}))
    again = read_job_plan(path)
    assert again == farm.plan and again.frozen.fingerprint == farm.plan.frozen.fingerprint


def test_a_plan_says_all_that_decides(farm: Farm) -> None:
    plan = farm.plan.as_dict()
    assert Path(plan["path"]).is_absolute() and plan["source"]["bytes"] == CLIP.stat().st_size
    assert (plan["model"], plan["models"][0]) == ("nano", [DIT_FILE.name, sha256_of(DIT_FILE)])
    assert (plan["suffix"], plan["size"], plan["frames"], plan["dtype"]) == (".mkv", [48, 32], FRAMES, "float32")
    assert plan["options"]["color_correction"] == "lab" and plan["encoder"]["options"]["threads"] == "4"
    assert plan["settings"]["window"] == 1 and plan["settings"]["tile"] is None and plan["threads"] >= 1
    assert [each["index"] for each in plan["segments"]] == [0, 1, 2, 3]
    edges = [(each["start"], each["stop"]) for each in plan["segments"]]
    assert edges[0][0] == 0 and edges[-1][1] == FRAMES
    assert all(one[1] == two[0] for one, two in itertools.pairwise(edges))
    assert 0 < plan["disk"]["least"] < plan["disk"]["result"] == plan["disk"]["peak"] / 2


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", "{}", '{"format": 1}', "[" * 9000])
def test_what_is_no_plan_is_a_wrong_request(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(OptionError, match=r"p\.json (is not a plan of this version|has the plans of several)"):
        read_job_plan(tmp_path / "p.json")


def test_a_plan_that_is_not_there_or_has_gaps_or_is_of_another_version(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read: No such file"):
        read_job_plan(tmp_path / "none.json")
    values = farm.plan.as_dict()
    for wrong in ({"format": 99}, {"segments": values["segments"][1:]}, {"disk": {}}, {"path": 5}):
        (tmp_path / "p.json").write_text(json.dumps({**values, **wrong}))
        with pytest.raises(OptionError, match="is not a plan of this version"):
            read_job_plan(tmp_path / "p.json")
