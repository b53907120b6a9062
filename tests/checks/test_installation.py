import pytest

from monolayer.checks import diagnose
from monolayer.checks.installation import check_engine

MISSING = "It was not built for this Python."


def test_a_missing_engine_is_told_with_the_reason():
    (finding,) = check_engine(MISSING, "")
    assert (finding.code, finding.outcome) == ("ML021", "tip")
    assert finding.evidence.startswith(MISSING)
    assert "compiler" in finding.advice


@pytest.mark.parametrize(("missing", "chosen"), [("", ""), ("", "native"), (MISSING, "numpy"), ("", "numpy")])
def test_nothing_is_said_where_it_is_there_or_not_wanted(missing, chosen):
    assert check_engine(missing, chosen) == []


@pytest.fixture
def _lacking(monkeypatch):
    """An installation without the compiled engine."""
    monkeypatch.delenv("MONOLAYER_ENGINE", raising=False)
    monkeypatch.setattr(diagnose, "explain_missing", lambda: MISSING)


def count(result):
    return [finding["code"] for finding in result.json["findings"]].count("ML021")


WORDS = {"train": ["train", "digits"], "sweep": ["sweep", "digits", "--grid", "l2=0,0.1"]}


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.usefixtures("_lacking")
def test_the_commands_tell_it_once_and_so_do_their_pages(command, tmp_path, name):
    result = command(*WORDS[name], "--epochs", "2", "--out", tmp_path / "out", "--json")
    assert count(result) == 1
    assert "ML021 The compiled engine" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "ML021" not in (tmp_path / "out" / "model-card.md").read_text(encoding="utf-8")
    assert "ML021 [tip]" in command(*WORDS[name], "--epochs", "2").out


@pytest.mark.usefixtures("_lacking")
def test_whoever_chose_numpy_or_muted_it_is_left_alone(command, monkeypatch):
    muted = command("train", "digits", "--epochs", "2", "--mute", "ML021", "--json").json["findings"]
    assert next(finding for finding in muted if finding["code"] == "ML021")["outcome"] == "muted"
    monkeypatch.setenv("MONOLAYER_ENGINE", "numpy")
    assert count(command("train", "digits", "--epochs", "2", "--json")) == 0
