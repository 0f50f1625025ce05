"""How fast this machine computes, by two tasks of a second each; how long the demo's stages take follows from it."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

THREAD_GAIN = 0.85  # n threads train n ** 0.85 times as fast as one


@dataclass(frozen=True)
class MachineSpeed:
    """Seconds of the two tasks.

    Attributes:
        convolutions: Of a training step of a small convolutional network, on all threads of PyTorch.
        python: Of a loop in Python.
    """

    convolutions: float
    python: float

    def minutes(self, convolutions: float = 0.0, python: float = 0.0) -> float:
        """Estimate a stage's time from how many of the two tasks it is worth."""
        return (convolutions * self.convolutions + python * self.python) / 60


def measure_speed(seconds: float = 1.0) -> MachineSpeed:
    """Run both tasks for some seconds each.

    The network runs on one thread, since a small one's time on several varies greatly where other processes compute as
    well; what several threads gain is taken from there.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        convolutions = _median_time(_training_step(), seconds)
    finally:
        torch.set_num_threads(threads)
    return MachineSpeed(convolutions / threads**THREAD_GAIN, _median_time(_python_loop, seconds))


def _median_time(task: Callable[[], None], seconds: float) -> float:
    task()
    times = []
    end = time.monotonic() + seconds
    while not times or time.monotonic() < end:
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _python_loop() -> None:
    table = {}
    for i in range(100_000):
        table[i % 1000] = table.get(i % 1000, 0) + i


def _training_step() -> Callable[[], None]:
    """A network of the layers that ResNet-18 has most of, on crops of 96x48."""

    def layer(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    net = nn.Sequential(
        *layer(3, 64, stride=2, size=7),
        *layer(64, 64, stride=2),
        *layer(64, 128, stride=2),
        *layer(128, 128),
        *layer(128, 256, stride=2),
        *layer(256, 512),
    )
    net = net.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 96, 48, generator=generator).to(memory_format=torch.channels_last)

    def step() -> None:
        net.zero_grad()
        net(images).mean().backward()

    return step
