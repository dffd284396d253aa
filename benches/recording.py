"""What recording one layer costs beside training: `python benches/recording.py` (a perceptron of width 768)."""

from __future__ import annotations

import argparse
import os
import statistics
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--measured", type=int, default=1024, help="samples that the recorder measures on")
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(options.threads))

    import torch
    from torch import nn

    from featuregeom.formation import Recorder

    torch.set_num_threads(options.threads)
    width, device = options.width, options.device
    layers = [layer for _ in range(options.depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*layers[:-1]).to(device)
    X, Y = torch.randn(2, max(options.batch_size, options.measured), width, device=device)
    search, loss = torch.optim.SGD(model.parameters(), 1e-3), nn.MSELoss()
    recorder = Recorder(
        model, [(X[: options.measured], Y[: options.measured])], loss, modules=["2"], every=options.every
    )

    def step() -> None:
        search.zero_grad()
        loss(model(X[: options.batch_size]), Y[: options.batch_size]).backward()
        search.step()

    def seconds(call, times: int) -> tuple[float, float]:
        """Wall and processor time of a call; the latter counts where other programs share the cores."""
        start, worked = time.perf_counter(), time.process_time()
        for _ in range(times):
            call()
        if device != "cpu":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / times, (time.process_time() - worked) / times

    step()
    recorder.record(0)  # what torch does once
    shares = []
    for number in range(options.rounds):
        training = seconds(step, 5)
        recording = seconds(lambda number=number: recorder.record(number + 1), 1)
        shares.append(
            [part / (options.every * whole) for part, whole in zip(recording, training, strict=True)]
        )
        print(
            f"step {training[0] * 1e3:.0f} ms, recording {recording[0] * 1e3:.0f} ms: {shares[-1][0]:.1%} of the time, "
            f"{shares[-1][1]:.1%} of processor time"
        )
    share = recorder.cost(options.batch_size).share_of_flops
    wall, worked = map(statistics.median, zip(*shares, strict=True))
    print(
        f"median {wall:.1%} of the time (at most 15 %), {worked:.1%} of processor time, {share:.1%} of FLOPs "
        "(at most 10 %)"
    )


if __name__ == "__main__":
    main()
