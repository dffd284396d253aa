"""Small networks of tests, and batches for them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def batches(X, Y, size=4):
    return [(X[i : i + size], Y[i : i + size]) for i in range(0, len(X), size)]


def mlp():
    return nn.Sequential(
        nn.Linear(5, 7), nn.ReLU(inplace=True), nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 3)
    ).double()


class Residual(nn.Module):
    """A residual convolutional network with strides, paddings, a bias, and ReLU in place."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.one = nn.Conv2d(4, 4, (3, 1), padding=(1, 0))
        self.two = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.down = nn.Conv2d(4, 5, 2, stride=2)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        x = functional.relu(self.norm(self.stem(x)), inplace=True)
        y = functional.relu(self.one(x), inplace=True)
        x = x + self.two(y)
        return self.head(functional.relu_(self.down(x)).mean(dim=(2, 3)))


class Tied(nn.Module):
    """One layer called twice, and a second module with the same weight."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(torch.tanh(self.first(torch.tanh(self.first(x)))))
