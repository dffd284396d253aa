"""What collecting leaves behind in a model, which is nothing, and what it refuses."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.formation import collect

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from oracles.per_sample import pairs, per_sample, same  # noqa: E402
from oracles.small_models import batches, mlp  # noqa: E402


def state_of(model):
    return (
        copy.deepcopy(model.state_dict()), [module.training for module in model.modules()],
        [parameter.grad for parameter in model.parameters()], [p.requires_grad for p in model.parameters()],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()],
        torch.random.get_rng_state(), torch.is_grad_enabled(),
    )  # fmt: skip


def unchanged(before, model):
    after = state_of(model)
    assert all(torch.equal(one, after[0][key]) for key, one in before[0].items())
    assert before[1:5] == after[1:5]
    assert torch.equal(before[5], after[5])
    assert before[6] == after[6]


class Dropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.norm, self.drop, self.head = (
            nn.Linear(5, 6),
            nn.BatchNorm1d(6),
            nn.Dropout(0.5),
            nn.Linear(6, 3),
        )

    def forward(self, x):
        return self.head(self.drop(self.norm(self.fc(x))))


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_as_before(fails):
    model, X, Y = Dropped().double().train(), torch.randn(8, 5).double(), torch.randint(3, (8,))
    model.norm.eval()  # modes are restored one by one
    before = state_of(model)

    def loss(output, target):
        if fails and len(output) == 3:
            raise RuntimeError("a loss that fails")
        return functional.cross_entropy(output, target)

    with torch.no_grad():
        before = (*before[:6], torch.is_grad_enabled())
        if fails:
            with pytest.raises(RuntimeError, match="a loss that fails"):
                collect(model, batches(X, Y, 5), loss, evaluate=True)
        else:
            found = collect(model, batches(X, Y, 5), loss, evaluate=True)
        unchanged(before, model)
    if not fails:
        model.eval()
        expected = per_sample(model, pairs(X, Y), functional.cross_entropy, ["fc", "head"])
        same(found, expected)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.train(), "train mode"),
        (lambda m: m.norm.__init__(6, track_running_stats=False) or m.double().eval(), "running statistics"),
    ],
)
def test_chance_and_batch_statistics_are_refused(change, said):
    model = Dropped().double().eval()
    change(model)
    with pytest.raises(ParameterError, match=said):
        collect(model, [(torch.randn(4, 5).double(), torch.randint(3, (4,)))], functional.cross_entropy)


class Functional(nn.Module):
    """Dropout that is no module."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        return functional.dropout(self.fc(x), 0.5, training=self.training)


def test_dropout_that_is_a_function_is_refused_in_train_mode():
    model = Functional().double().train()
    before = state_of(model)
    with pytest.raises(ParameterError, match="draws random numbers in train mode"):
        collect(model, [(X4, Y4)], CE)
    unchanged(before, model)
    found = collect(model, [(X4, Y4)], CE, evaluate=True)
    same(found, per_sample(model.eval(), pairs(X4, Y4), CE, ["fc"]))


def test_weights_that_are_not_finite_are_named():
    model = mlp()
    with torch.no_grad():
        model[2].weight[3, 1] = torch.nan
    with pytest.raises(NonFiniteError, match="weights of module '2' hold nan in row 3, column 1"):
        collect(model, [(X4, Y4)], lambda out, y: out.nan_to_num().sum(), modules=["2"])


def _cut(model):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.unused = model, nn.Linear(2, 2)

        def forward(self, x):
            with torch.no_grad():
                return self.inner(x)

    return Cut().double()


X4, Y4 = torch.randn(4, 5).double(), torch.tensor([0, 1, 2, 0])
CE = functional.cross_entropy


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        (lambda: (mlp(), [(X4, Y4)], CE), {"modules": ["7"]}, ParameterError, "no module '7'"),
        (lambda: (mlp(), [(X4, Y4)], CE), {"modules": ["1"]}, ParameterError, "ReLU"),
        (lambda: (mlp(), [(X4, Y4)], CE), {"modules": []}, ParameterError, "empty"),
        (lambda: (mlp(), [(X4, Y4)], CE), {"gradient": "true"}, ParameterError, "gradient must"),
        (lambda: (mlp(), [(X4, Y4)], CE), {"n_probes": 2}, ParameterError, "jacobian"),
        (lambda: (mlp(), [(X4, Y4)], None), {}, ParameterError, "no loss"),
        (lambda: (mlp(), [(X4, Y4)], "mse"), {}, ParameterError, "function of output"),
        (lambda: (mlp(), (X4, Y4), CE), {}, ParameterError, r"\[\(inputs, targets\)\]"),
        (lambda: (mlp(), X4, CE), {}, ParameterError, "must be batches"),
        (lambda: (mlp(), [], CE), {}, ParameterError, "batches are empty"),
        (lambda: (mlp(), iter(()), CE), {}, ParameterError, "batches are empty"),
        (lambda: (mlp(), [(X4, Y4)], CE), {"modules": "0"}, ParameterError, "modules must be a list of names"),
        (lambda: (mlp(), [(X4, Y4, Y4)], CE), {}, ParameterError, "3 parts"),
        (lambda: (mlp(), [(X4[:1], Y4[:1])], CE), {}, ParameterError, "one sample"),
        (lambda: (nn.ReLU(), [(X4, Y4)], CE), {}, ParameterError, "no linear map"),
        (lambda: (mlp(), [(X4, Y4)], lambda o, t: (o * 0).sum()), {}, ParameterError, "zero"),
        (lambda: (mlp(), [(X4, Y4)], lambda o, t: o.detach().sum()), {}, ParameterError, "no gradient"),
        (lambda: (mlp(), [(X4, Y4)], lambda o, t: (o.argmax(1) == t).sum()), {}, ParameterError, "no gradient"),
        (lambda: (mlp(), [(X4, Y4)], lambda o, t: 1.0), {}, ParameterError, "real tensor"),
        (lambda: (mlp(), [(X4, Y4)], lambda o, t: (o - o).sqrt().sum()), {}, NonFiniteError, r"gradients .* module"),
        (lambda: (mlp(), [(X4 * np.nan, Y4)], CE), {}, NonFiniteError, "module '0'"),
        (lambda: (_cut(mlp()), [(X4, Y4)], CE), {}, ParameterError, "no_grad"),
        (lambda: (nn.Sequential(mlp()), [(X4, Y4)], CE), {"modules": ["model"]}, ParameterError, "Sequential"),
        (lambda: (nn.Linear(5, 3, dtype=torch.complex128), [(X4, Y4)], CE), {}, ParameterError, "complex weights"),
        (lambda: (nn.LSTM(5, 3), [(X4, Y4)], CE), {"modules": ["model"]}, ParameterError, r"\(LSTM\) is not one"),
        (lambda: (mlp(), [(X4, Y4)], CE), {"mask": lambda b: torch.ones(4, 2)}, None, ""),
        (lambda: (mlp(), [(X4, Y4)], CE), {"mask": lambda b: torch.ones(3, 2)}, ShapeError, "mask"),
        (lambda: (mlp(), [(X4, Y4)], CE), {"mask": lambda b: torch.zeros(4, 2)}, ParameterError, "no token"),
    ],
)  # fmt: skip
def test_bad_input(arguments, options, error, said):
    model, data, loss = arguments()
    before = state_of(model)
    if error is None:
        collect(model, data, loss, **options)  # rows without an axis of tokens all count
    else:
        with pytest.raises(error, match=said):
            collect(model, data, loss, **options)
    unchanged(before, model)


def test_a_layer_without_weights_is_told_to_run_first():
    """Apart, for parameters that do not exist cannot be compared before and after."""
    with pytest.raises(
        DtypeError, match="parameter of a lazy module, which has no shape yet: call the module once"
    ):
        collect(nn.Sequential(nn.LazyLinear(3)), [(X4, Y4)], CE)


def test_a_module_that_is_never_called_is_named():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(5, 3), nn.Linear(5, 3)

        def forward(self, x):
            return self.used(x)

    model = Model().double()
    with pytest.raises(ParameterError, match="'unused' was never called"):
        collect(model, [(X4, Y4)], CE, modules=["unused"])
    with pytest.raises(ParameterError, match="'unused' was never called"):
        collect(model, [(X4, Y4)], CE, modules=["used", "unused"])
    assert list(collect(model, [(X4, Y4)], CE)) == ["used"]


def test_frozen_models_and_half_precision_run():
    model = mlp().float().requires_grad_(False)
    found = collect(model, [(X4.numpy(), Y4.numpy())], CE)
    assert found["0"].H_a.dtype == np.float64
    assert collect(model.bfloat16(), [(X4.bfloat16(), Y4)], lambda o, t: CE(o.float(), t))["0"].n == 4
