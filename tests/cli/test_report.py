import shutil


def test_the_page_is_made_again_from_the_folder(command, tmp_path):
    out = tmp_path / "a"
    command("train", "digits", "--epochs", "2", "--val-size", "100", "--out", out)
    page = (out / "report.html").read_bytes()
    figures = {path.name: path.read_bytes() for path in (out / "figures").iterdir()}
    shutil.rmtree(out / "figures")
    (out / "report.html").unlink()
    result = command("report", out)
    assert result.code == 0
    assert result.out.strip() == str(out / "report.html")
    assert (out / "report.html").read_bytes() == page
    assert {path.name: path.read_bytes() for path in (out / "figures").iterdir()} == figures


def test_a_sweeps_page_is_made_again_too(command, tmp_path):
    out = tmp_path / "a"
    command("sweep", "digits", "--epochs", "2", "--val-size", "100", "--grid", "l2=0,0.1,1", "--out", out)
    page = (out / "report.html").read_bytes()
    assert command("report", out).code == 0
    assert (out / "report.html").read_bytes() == page


def test_a_folder_that_is_no_runs_is_refused_and_left_alone(command, tmp_path):
    result = command("report", tmp_path)
    assert (result.code, result.out) == (2, "")
    assert "a folder made by monolayer train holds it" in result.err
