"""Moments of linear layers the slow way: one sample at a time, with torch's own hooks and backward pass."""

from __future__ import annotations

import numpy as np
import torch


def weight_matrix(module):
    """W with h_b = W h_a + b, for layers without groups."""
    weight = module.weight.detach().double()
    if type(module).__name__ == "Conv1D":
        weight = weight.T
    return weight.reshape(weight.shape[0], -1).numpy()


def input_rows(module, x):
    if isinstance(module, torch.nn.Conv2d):
        patches = torch.nn.functional.unfold(
            x, module.kernel_size, module.dilation, module.padding, module.stride
        )
        return patches.transpose(1, 2).reshape(-1, patches.shape[1])
    return x.reshape(-1, x.shape[-1])


def output_rows(module, g):
    if isinstance(module, torch.nn.Conv2d):
        return g.permute(0, 2, 3, 1).reshape(-1, g.shape[1])
    return g.reshape(-1, g.shape[-1])


def watch(name, seen, times):
    """A hook that takes calls down."""

    def hook(module, args, out):
        times[name] += 1
        out.retain_grad()
        key = name if times[name] == 1 else f"{name}#{times[name]}"
        seen.append((key, module, args[0].detach().clone(), out))
        return out.clone()  # what writes into the output later leaves the retained one alone

    return hook


def per_sample(model, samples, loss, names):
    """Give H_a, G_b, mean_a and the sum of g_b h_aᵀ for each call of each module.

    `samples` are (args, kwargs, target, keep) of one sample each; `keep` says which rows count, None for all.
    """
    modules = dict(model.named_modules())
    rows = {}
    for args, kwargs, target, keep in samples:
        seen, times = [], dict.fromkeys(names, 0)
        hooks = [modules[name].register_forward_hook(watch(name, seen, times)) for name in names]
        value = loss(model(*args, **kwargs), target)
        for hook in hooks:
            hook.remove()
        model.zero_grad()
        value.backward()
        for key, module, x, out in seen:
            a, g = input_rows(module, x), -output_rows(module, out.grad)
            chosen = keep if keep is not None and len(keep) == len(a) else slice(None)
            rows.setdefault(key, []).append((a[chosen].numpy(), g[chosen].numpy()))
    model.zero_grad()
    found = {}
    for key, parts in rows.items():
        a, g = (np.concatenate(side) for side in zip(*parts, strict=True))
        found[key] = {
            "H_a": a.T @ a / len(a), "G_b": g.T @ g / len(g), "mean_a": a.mean(axis=0), "cross": g.T @ a,
        }  # fmt: skip
    return found


def same(found, expected, tolerance=1e-10):
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        for key, value in one.items():
            scale = max(np.abs(value).max(), 1e-300)
            np.testing.assert_allclose(
                getattr(found[name], key), value, rtol=0, atol=tolerance * scale, err_msg=f"{name}.{key}"
            )


def pairs(X, Y):
    """One-sample arguments for the oracle."""
    return [((X[i : i + 1],), {}, Y[i : i + 1], None) for i in range(len(X))]
