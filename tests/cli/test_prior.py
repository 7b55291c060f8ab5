"""``render-fit prior`` as a user runs it."""

from pathlib import Path

from typer.testing import CliRunner

from render_fit.cli import app
from render_fit.losses.priors import PoseVAE


def invoke(*words: str | Path):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    wanted = tmp_path / "vae.safetensors"
    for words, says in (
        (("train", "vae", "--mocap", tmp_path, "--out", wanted), "expected the CMU motion capture"),
        (("train", "vae", "--mocap", tmp_path, "--out", tmp_path / "vae.pt"), "ends in .safetensors"),
        (("compare", "--mocap", tmp_path, "--vae", wanted), "no such file"),
    ):
        result = invoke("prior", *words)
        assert result.exit_code == 2
        assert says in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_train_and_compare(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "vae.safetensors"
    result = invoke("prior", "train", "vae", "--mocap", shared_data, "--out", out, "--steps", 100)
    assert result.exit_code == 0, result.output
    assert "loss" in result.stdout and [path.name for path in out.parent.iterdir()] == [out.name]
    assert not any(p.requires_grad for p in PoseVAE.from_file(out).parameters())
    compared = invoke("prior", "compare", "--mocap", shared_data, "--vae", out)
    assert compared.exit_code == 0, compared.output
    assert "adversarial" in compared.stdout and "hinge backwards" in compared.stdout
