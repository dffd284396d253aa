"""A recorder in a training loop: what it records, that it changes nothing, how it goes on; its page and the demo."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from featuregeom.cli import app
from featuregeom.errors import OutputError, ParameterError, SourceError
from featuregeom.formation import Recorder, collect, crh, neural_collapse, von_neumann_entropy
from featuregeom.formation.demo import train_demo
from featuregeom.report.recording import recording_sections, write_recording

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

LOSS = functional.cross_entropy
ALL = ("crh", "exponents", "fact", "nfa", "entropy", "collapse", "loss")


def parts(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)).double()
    X, y = torch.randn(40, 6).double(), torch.arange(40) % 3
    search = torch.optim.SGD(model.parameters(), 0.1, weight_decay=0.01)
    return model, X, y, search


def recorder_of(model, X, y, **options):
    given = {"every": 4, "quantities": ALL, "head": "3", "weight_decay": 0.01, "n_draws": 3} | options
    return Recorder(model, [(X[:25], y[:25]), (X[25:], y[25:])], LOSS, **given)


def step(model, X, y, search):
    search.zero_grad()
    LOSS(model(X), y).backward()
    search.step()


def test_it_records_what_the_functions_give():
    model, X, y, search = parts()
    recorder = recorder_of(model, X, y)
    for number in range(9):
        assert recorder(number) is (number % 4 == 0)
        if number == 4:
            values = recorder.as_dict()
            model.eval()
            moments = collect(model, [(X, y)], LOSS)
            six = crh(moments["3"])
            assert values["3/RGA_b cosine"] == pytest.approx(six["RGA_b"]["cosine"].value, abs=1e-12)
            H = model[:3](X).detach()
            collapse = neural_collapse(H, y, model[3].weight, model[3].bias)
            assert values["model/nc1"] == pytest.approx(collapse.nc1, rel=1e-9)
            assert values["model/nc4"] == collapse.nc4
            assert values["0/entropy"] == pytest.approx(von_neumann_entropy(X.numpy()), abs=1e-10)
            assert values["model/loss"] == pytest.approx(LOSS(model(X), y).item(), abs=1e-12)
            model.train()
        step(model, X, y, search)
    assert recorder.steps == [0, 4, 8]
    frame = recorder.to_frame()
    assert set(frame["step"]) == {0, 4, 8}
    assert not frame.duplicated(["step", "layer", "quantity"]).any()
    row = frame[(frame.quantity == "RWA_b cosine") & (frame.layer == "0")].iloc[0]
    assert np.isfinite([row.null_mean, row.null_std, row.tied_mean, row.tied_std]).all()
    assert recorder.as_dict(0) != recorder.as_dict(8)
    with pytest.raises(ParameterError, match="step 5 is not recorded"):
        recorder.as_dict(5)


def test_training_is_the_same_with_and_without_it():
    """Dropout draws from torch's generator, so a recorder that touched it would show."""
    ends = []
    for recorded in (False, True):
        model, X, y, search = parts()
        recorder = recorder_of(model, X, y)
        for number in range(6):
            if recorded:
                recorder(number)
            step(model, X, y, search)
        assert model.training
        ends.append(torch.cat([each.detach().flatten() for each in model.parameters()]))
    assert torch.equal(*ends)


@pytest.mark.parametrize("way", ["state", "file"])
def test_it_goes_on_from_a_checkpoint(tmp_path, way):
    model, X, y, search = parts()
    whole = recorder_of(model, X, y)
    for number in range(9):
        whole(number)
        if number == 4:
            state = json.loads(json.dumps(whole.state_dict()))  # plain types only
            saved = whole.save(tmp_path / "r.parquet")
            held = {key: value.clone() for key, value in model.state_dict().items()}
            rng = torch.random.get_rng_state()
        step(model, X, y, search)
    again, _, _, search = parts()
    again.load_state_dict(held)
    torch.random.set_rng_state(rng)
    resumed = recorder_of(again, X, y)
    if way == "state":
        resumed.load_state_dict(state)
    else:
        resumed.load(saved)
    assert resumed.steps == [0, 4]
    for number in range(4, 9):
        resumed(number)
        step(again, X, y, search)
    pd.testing.assert_frame_equal(resumed.to_frame(), whole.to_frame())
    with pytest.raises(ParameterError, match="already"):
        resumed.load_state_dict(state)


def test_files_that_are_not_its_own(tmp_path):
    model, X, y, _ = parts()
    recorder = recorder_of(model, X, y)
    recorder.record(3)
    recorder.save(tmp_path / "r.parquet")
    with pytest.raises(OutputError, match="holds step 3, which this recorder lacks"):
        recorder_of(model, X, y).save(tmp_path / "r.parquet")
    with pytest.raises(OutputError, match="other layers or quantities"):
        recorder_of(model, X, y, modules=["0"]).save(tmp_path / "r.parquet")
    recorder.record(5)
    recorder.save(tmp_path / "r.parquet")  # its own table is replaced
    assert set(pd.read_parquet(tmp_path / "r.parquet")["step"]) == {3, 5}
    for name in ("other.parquet", "text.parquet"):
        if name == "text.parquet":
            (tmp_path / name).write_text("no table")
        else:
            pd.DataFrame({"x": [1]}).to_parquet(tmp_path / name)
        with pytest.raises(OutputError, match="no table of a recorder"):
            recorder.save(tmp_path / name)
        with pytest.raises(SourceError, match=r"no (table|Parquet)"):
            recorder_of(model, X, y).load(tmp_path / name)
    with pytest.raises(SourceError, match="otherwise"):
        recorder_of(model, X, y, every=5).load(tmp_path / "r.parquet")
    assert list(pd.read_parquet(tmp_path / "r.parquet").columns[:4]) == ["step", "layer", "quantity", "value"]


def test_as_a_callback_of_lightning():
    """It has every hook that Lightning calls by name, and records after steps that are due."""
    model, X, y, search = parts()
    recorder = recorder_of(model, X, y, quantities=("loss",), head=None)
    trainer = SimpleNamespace(global_step=0)
    for hook in ("setup", "on_fit_start", "on_sanity_check_start", "on_train_start", "on_train_epoch_start"):
        getattr(recorder, hook)(trainer, model)
    for number in range(9):
        recorder.on_train_batch_start(trainer, model, (X, y), number)
        step(model, X, y, search)
        trainer.global_step = number + 1
        recorder.on_train_batch_end(trainer, model, None, (X, y), number)
    recorder.on_save_checkpoint(trainer, model, {})
    recorder.teardown(trainer, model, stage="fit")
    assert recorder.steps == [0, 4, 8]
    assert isinstance(recorder.state_key, str)
    with pytest.raises(AttributeError, match="colour"):
        recorder.colour  # noqa: B018


def test_what_recording_costs():
    """Three times the forward pass for a step; passes, moments and products for a recording: by hand."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30, bias=False), nn.Tanh(), nn.Linear(30, 4, bias=False)).double()
    X, y = torch.randn(50, 20).double(), torch.arange(50) % 4
    recorder = Recorder(model, [(X, y)], LOSS, modules=["0"], every=10)
    with pytest.raises(ParameterError, match="nothing has been recorded"):
        recorder.as_dict()
    with pytest.raises(ParameterError, match="nothing has been recorded"):
        recorder.cost(10)
    recorder(0)
    forward = 2 * (20 * 30 + 30 * 4)
    found = recorder.cost(16)
    assert found.step_flops == 3 * forward * 16
    expected = 2 * forward * 50 + 50 * (20**2 + 30**2 + 2 * 600) + 4 * 600 * 50
    assert found.recording_flops == expected
    assert found.share_of_flops == pytest.approx(expected / (10 * 3 * forward * 16))
    assert math.isnan(found.share_of_time)
    recorder(10)
    assert recorder.cost(16).share_of_time > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quantities": ("crh", "beauty")}, "beauty"),
        ({"weight_decay": None}, "weight decay"),
        ({"weight_decay": 0.0}, "weight decay"),
        ({"head": None}, "go together"),
        ({"head": "9"}, "no module '9'"),
        ({"kinds": ("euclid",)}, "euclid"),
        ({"statistic": "median"}, "median"),
        ({"gradient": "jacobian"}, "fact"),
        ({"gradient": "exact"}, "exact"),
        ({"every": 0}, "every"),
        ({"colour": "red"}, "'colour' is no option"),
        ({"quantities": ()}, "quantities is empty"),
        ({"quantities": "crh"}, "quantities must be a list of names"),
        ({"modules": "0"}, "modules must be a list of names"),
        ({"head": "1"}, "must be a Linear"),
    ],
)
def test_what_a_recorder_refuses(options, said):
    model, X, y, _ = parts()
    with pytest.raises(ParameterError, match=said):
        recorder_of(model, X, y, **options)


def test_steps_do_not_go_back():
    model, X, y, _ = parts()
    recorder = recorder_of(model, X, y, quantities=("loss",), head=None)
    recorder.record(7)
    with pytest.raises(ParameterError, match="cannot follow"):
        recorder.record(7)
    assert recorder(4) is False
    with pytest.raises(ParameterError, match="empty"):
        Recorder(model, [], LOSS)


# --- Its page --------------------------------------------------------------------------------------------------------


def test_the_page_has_curves_beside_their_nulls(tmp_path):
    model, X, y, search = parts()
    recorder = recorder_of(model, X, y, n_resamples=10)
    for number in range(9):
        recorder(number)
        step(model, X, y, search)
    sections = {each.title: each for each in recording_sections(recorder.to_frame())}
    assert list(sections) == ["The model", "Layer 0", "Layer 3"]
    kinds = [figure.kind for figure in sections["Layer 0"].figures]
    assert kinds == ["alignment"] * 4 + ["exponents", "convergence", "residuals", "entropy"]
    frame = recorder.to_frame()
    own = frame[(frame.layer == "0") & (frame.quantity == "RGA_a cosine")]
    curves = {trace["name"]: trace for trace in sections["Layer 0"].figures[0].data}
    np.testing.assert_allclose(curves["RGA_a"]["y"], own["value"], rtol=1e-5)
    np.testing.assert_allclose(curves["RGA_a, null mean"]["y"], own["null_mean"], rtol=1e-5)
    np.testing.assert_allclose(curves["RGA_a, tied mean"]["y"], own["tied_mean"], rtol=1e-5)
    # Both nulls are dotted, and told apart by their width; intervals are thin lines.
    assert [curves[f"RGA_a, {null} mean"]["line"] | {"color": ""} for null in ("null", "tied")] == [
        {"color": "", "width": width, "dash": "dot"} for width in (1.0, 3.0)
    ]
    page = write_recording(recorder, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Von Neumann entropy" in page
    assert "3 recordings" in page
    with pytest.raises(ParameterError, match="nothing"):
        recording_sections(recorder_of(model, X, y).to_frame())
    with pytest.raises(ParameterError, match="lacks"):
        recording_sections(pd.DataFrame({"step": [1]}))


# --- The demonstration -----------------------------------------------------------------------------------------------


def test_the_linear_network_of_the_demonstration_reaches_its_known_answers():
    frame = train_demo(steps=1500, runs=("linear",))
    last = frame[frame["step"] == frame["step"].max()].set_index(["layer", "quantity"])["value"]
    for place in (1, 2, 3):
        names = [f"exponent {each}" for each in ("H_a", "H_b", "G_b", "G_a")]
        found = [last[str(place - 1), name] for name in names]
        assert found == pytest.approx([place - 1, place, 3 - place, 4 - place], abs=1e-3)
    assert last["0", "NFA exponent"] == pytest.approx(1 / 3, abs=1e-3)


@pytest.fixture
def digits():
    return pytest.importorskip("sklearn")


def test_the_command_writes_goes_on_and_replaces_nothing_of_others(tmp_path, digits, monkeypatch):
    from featuregeom.formation import demo

    monkeypatch.setattr(demo, "RECORDINGS", 2)
    monkeypatch.setattr(demo, "DRAWS", 1)
    monkeypatch.setattr(demo, "SAMPLES", 100)
    monkeypatch.setattr(demo, "RESAMPLES", 10)
    run = CliRunner().invoke
    command = ["train-demo", "--steps", "4", "--json", "--out"]
    first = run(app, [*command, str(tmp_path / "whole")])
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    frame = pd.read_parquet(found["table"])
    assert set(frame["run"]) == set(demo.RUNS)
    assert sorted(set(frame["step"])) == [0, 2, 4]
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert "mlp-decay: layer 2" in page
    assert not list(tmp_path.glob("**/.*"))

    stopped = tmp_path / "stopped"
    record = demo.Recorder.record
    calls = []

    def fails(self, step):
        calls.append(step)
        if len(calls) == 6:
            raise KeyboardInterrupt
        record(self, step)

    with monkeypatch.context() as patched:
        patched.setattr(demo.Recorder, "record", fails)
        second = run(app, [*command, str(stopped)])
    assert second.exit_code == 130
    assert "--resume" in second.stderr
    assert {path.name for path in (stopped / "runs").iterdir()} == {"mlp.pt", "mlp-decay.pt"}
    third = run(app, [*command, str(stopped), "--resume"])
    assert third.exit_code == 0, third.output
    pd.testing.assert_frame_equal(pd.read_parquet(stopped / "training.parquet"), frame)

    other = run(app, ["train-demo", "--steps", "3", "--out", str(stopped)])
    assert other.exit_code == 1
    assert "other settings" in other.stderr
    (tmp_path / "mine" / "runs").mkdir(parents=True)
    (tmp_path / "mine" / "runs" / "mlp.pt").write_text("mine")
    refused = run(app, [*command, str(tmp_path / "mine")])
    assert refused.exit_code == 1
    assert "no checkpoint" in refused.stderr
    assert (tmp_path / "mine" / "runs" / "mlp.pt").read_text() == "mine"
    assert run(app, ["train-demo", "--steps", "0", "--out", str(tmp_path / "none")]).exit_code == 2
    assert run(app, ["train-demo", "--resume", "--force", "--out", str(tmp_path / "none")]).exit_code == 2


@pytest.mark.slow
def test_what_weight_decay_does_to_digits(digits, monkeypatch):
    """What the document about training says of five seeds: paired differences, each at a level of one in a hundred."""
    from scipy.stats import ttest_1samp

    from featuregeom.formation import demo

    monkeypatch.setattr(demo, "RECORDINGS", 1)
    monkeypatch.setattr(demo, "DRAWS", 0)
    ends = []
    for seed in range(5):
        frame = train_demo(seed=seed, runs=("mlp", "mlp-decay"))
        frame = frame[frame["step"] == frame["step"].max()]
        ends.append(frame.set_index(["run", "layer", "quantity"])["value"])
    value = pd.DataFrame(ends)

    def positive(differences):
        return ttest_1samp(differences, 0, alternative="greater").pvalue < 0.01

    for layer in ("0", "2", "4"):
        for relation in ("GWA_a cosine", "GWA_b cosine"):
            assert positive(value["mlp-decay", layer, relation] - value["mlp", layer, relation])
        assert positive(value["mlp", layer, "RWA_b cosine"] - value["mlp-decay", layer, "RWA_b cosine"])
        fact, ansatz = (
            value["mlp-decay", layer, name] for name in ("FACT correlation", "NFA correlation 0.5")
        )
        assert positive(ansatz - fact)
    assert positive(value["mlp-decay", "4", "RGA_b cosine"] - value["mlp", "4", "RGA_b cosine"])
    assert positive(value["mlp", "0", "RGA_b cosine"] - value["mlp-decay", "0", "RGA_b cosine"])
    for earlier, later in (("0", "2"), ("2", "4")):
        for relation in ("RGA_b cosine", "RWA_b cosine"):
            assert positive(value["mlp-decay", later, relation] - value["mlp-decay", earlier, relation])
