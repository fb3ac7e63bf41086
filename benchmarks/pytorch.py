"""How PyTorch is asked to build, train and predict: by a plain training script."""

import networks
from framework import Framework


class Torch(Framework):
    title = "PyTorch, NCHW"
    modules = ("torch",)

    def __init__(self, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.memory_format = torch.contiguous_format

    @property
    def version(self):
        return f"PyTorch {self.torch.__version__}"

    def build(self, network):
        nn = self.torch.nn
        self.flattened = None
        model = self._stack(networks.parts(network))
        self.model = model.to(memory_format=self.memory_format)
        self.crossentropy = nn.CrossEntropyLoss()
        # Fused is the fastest Adam that PyTorch has on a processor; the epsilon is Keras'.
        self.optimizer = self.torch.optim.Adam(
            self.model.parameters(), lr=1e-3, eps=1e-7, fused=True
        )

    def _stack(self, parts):
        return self.torch.nn.Sequential(*(module for part in parts for module in self._of(part)))

    def _of(self, part):
        """The modules of a layer, with its weights in them."""
        nn, (h, w, c) = self.torch.nn, part.shape
        match part.layer:
            case networks.Conv(filters, kernel, padding, strides, bias):
                yield from self._convolution(
                    part, c, filters, kernel, strides, padding == "same", bias=bias
                )
            case networks.Depthwise(kernel, strides):
                yield from self._convolution(part, c, c, kernel, strides, groups=c, bias=False)
            case networks.BatchNorm():
                norm = nn.BatchNorm2d(c, eps=networks.EPSILON, momentum=1 - networks.MOMENTUM)
                names = ("weight", "bias", "running_mean", "running_var")
                yield self._filled(norm, dict(zip(names, part.arrays, strict=True)))
            case networks.MaxPool(size, padding):
                yield nn.MaxPool2d(size, ceil_mode=padding == "same")
            case networks.AvgPool(size):
                yield nn.AvgPool2d(size)
            case networks.GlobalAvgPool():
                yield from (nn.AdaptiveAvgPool2d(1), nn.Flatten())
            case networks.Dense(units):
                kernel, bias = part.arrays
                if self.flattened:  # its inputs come channel by channel in PyTorch
                    kernel = kernel.reshape(*self.flattened, units).transpose(2, 0, 1, 3)
                    self.flattened = None
                arrays = {"weight": kernel.reshape(-1, units).T, "bias": bias}
                yield self._filled(nn.Linear(c, units), arrays)
            case networks.ReLU(most):
                yield nn.ReLU() if most is None else nn.ReLU6()
            case networks.Dropout(rate):
                yield nn.Dropout(rate)
            case networks.Flatten():
                self.flattened = h, w, c
                yield nn.Flatten()
            case networks.Residual():
                yield self._sum(self._stack(part.body), self._stack(part.shortcut))

    def _convolution(self, part, c, filters, kernel, strides, same=True, **options):
        nn, (h, w, _) = self.torch.nn, part.shape
        padding = 0
        if same:
            down, across = (networks.same_padding(n, kernel, strides) for n in (h, w))
            if down[0] == down[1] and across[0] == across[1]:
                padding = down[0], across[0]
            else:  # Keras puts the odd pixel at the bottom and right
                yield nn.ZeroPad2d((*across, *down))
        conv = nn.Conv2d(c, filters, kernel, strides, padding, **options)
        # Filters first; of a depthwise convolution they are the channels.
        order = (2, 3, 0, 1) if isinstance(part.layer, networks.Depthwise) else (3, 2, 0, 1)
        arrays = {"weight": part.arrays[0].transpose(order)}
        if options["bias"]:
            arrays["bias"] = part.arrays[1]
        yield self._filled(conv, arrays)

    def _filled(self, module, arrays):
        with self.torch.no_grad():
            for name, array in arrays.items():
                getattr(module, name).copy_(self.torch.from_numpy(array))
        return module

    def _sum(self, body, shortcut):
        class Residual(self.torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.body, self.shortcut = body, shortcut

            def forward(self, x):
                return self.body(x) + self.shortcut(x)

        return Residual()

    def load(self, x, y):
        x = self.torch.from_numpy(x).permute(0, 3, 1, 2)
        self.x = x.contiguous(memory_format=self.memory_format)
        self.y = self.torch.from_numpy(y)

    def losses(self):
        x, y = self.x[: self.batch], self.y[: self.batch]
        found = []
        with self.torch.no_grad():
            for training in (False, True):
                self.model.train(training)
                found.append(self.crossentropy(self.model(x), y).item())
        return found

    def train(self, epochs):
        self.model.train()
        for _ in range(epochs):
            for batch in self.torch.randperm(len(self.x)).split(self.batch):
                self.optimizer.zero_grad()
                self.crossentropy(self.model(self.x[batch]), self.y[batch]).backward()
                self.optimizer.step()

    def predict(self):
        self.model.eval()
        with self.torch.inference_mode():
            self.torch.cat([self.model(batch) for batch in self.x.split(self.batch)])

    def predict_one(self, i):
        if self.model.training:
            self.model.eval()
        with self.torch.inference_mode():
            self.model(self.x[i : i + 1])


class TorchChannelsLast(Torch):
    title = "PyTorch, channels_last"

    def __init__(self, threads):
        super().__init__(threads)
        self.memory_format = self.torch.channels_last
