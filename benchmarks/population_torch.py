"""The same population in torch: batched products, and `torch.func.vmap`."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.common import median

STEPS = 20


def _weights(units: int, inputs: int, members: int) -> dict[str, torch.Tensor]:
    shapes = {"kernel": (inputs, 2 * units), "recurrent": (units, 2 * units), "bias": (2 * units,)}
    shapes |= {"initial": (1, units), "readout": (units, 1)}
    return {name: torch.randn(members, *shape) * 0.3 for name, shape in shapes.items()}


def _data(patterns: int, inputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(0, 2, (patterns, inputs)).float(), torch.randint(0, 2, (patterns, 1)).float()


def _median(step: Callable[[], object], repeats: int) -> float:
    for _ in range(3):
        step()
    return median(lambda: [step() for _ in range(STEPS)], repeats) / STEPS


def batched_step(units: int, patterns: int, members: int, inputs: int, length: int, repeats: int) -> float:
    """Returns seconds for a step of one member, all members in batched products."""
    w = {name: value.requires_grad_() for name, value in _weights(units, inputs, members).items()}
    x, y = _data(patterns, inputs)
    optimizer = torch.optim.Adam(list(w.values()), 0.01)

    def step() -> None:
        optimizer.zero_grad()
        h = w["initial"].expand(members, patterns, units)
        inner = torch.matmul(x, w["kernel"]) + w["bias"][:, None]
        for t in range(length):
            c, g = torch.baddbmm(inner if t == 0 else w["bias"][:, None], h, w["recurrent"]).chunk(2, -1)
            g = torch.sigmoid(g + 1)
            h = g * h + (1 - g) * torch.tanh(c)
        logits = torch.bmm(h, w["readout"])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y.expand_as(logits), reduction="none")
        loss.mean((1, 2)).sum().backward()
        optimizer.step()

    return _median(step, repeats) / members


def vmap_step(units: int, patterns: int, members: int, inputs: int, length: int, repeats: int) -> float:
    """Returns seconds for a step of one member, a single model's gradient mapped over all members."""
    w = _weights(units, inputs, members)
    x, y = _data(patterns, inputs)
    optimizer = torch.optim.Adam(list(w.values()), 0.01)

    def loss(w: dict[str, torch.Tensor]) -> torch.Tensor:
        h = w["initial"].expand(patterns, units)
        inner = x @ w["kernel"] + w["bias"]
        for t in range(length):
            c, g = ((inner if t == 0 else w["bias"]) + h @ w["recurrent"]).chunk(2, -1)
            g = torch.sigmoid(g + 1)
            h = g * h + (1 - g) * torch.tanh(c)
        return torch.nn.functional.binary_cross_entropy_with_logits(h @ w["readout"], y)

    gradient = torch.func.vmap(torch.func.grad(loss))

    def step() -> None:
        for name, value in gradient(w).items():
            w[name].grad = value
        optimizer.step()

    return _median(step, repeats) / members
