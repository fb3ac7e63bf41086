"""Grad-CAM and saliency against PyTorch's own derivatives."""

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, Input, MaxPool, ReLU, Sequential, explain

pytestmark = pytest.mark.peers
RNG = np.random.default_rng(0)


def test_maps_are_those_of_pytorch():
    """The same weights, and the gradients of autograd, for each class."""
    torch = pytest.importorskip("torch")
    layers = [Conv2D(4, 3, padding="same"), ReLU(), MaxPool(2), Conv2D(5, 3), ReLU(), Flatten()]
    model = Sequential([Input((12, 10, 3)), *layers, Dense(3, activation="softmax")], seed=1)
    image = RNG.normal(size=(12, 10, 3)).astype(np.float32)

    def turned(layer):
        kernel = torch.tensor(layer.params["kernel"].transpose(3, 2, 0, 1).copy())
        return kernel, torch.tensor(layer.params["bias"])

    first, second = turned(model.layers[0]), turned(model.layers[3])
    dense = [torch.tensor(model.layers[-1].params[name]) for name in ("kernel", "bias")]
    for of in range(3):
        x = torch.tensor(image.transpose(2, 0, 1)[None].copy(), requires_grad=True)
        y = torch.max_pool2d(torch.relu(torch.conv2d(x, *first, padding=1)), 2)
        maps = torch.relu(torch.conv2d(y, *second))
        flat = maps.permute(0, 2, 3, 1).reshape(1, -1)
        (flat @ dense[0] + dense[1])[0, of].backward(inputs=[x, maps])
        weights = maps.grad.mean(dim=(2, 3), keepdim=True)
        cam = torch.relu((weights * maps).sum(dim=1))[0].detach().numpy()
        found = explain.grad_cam(model, image, of)
        assert found.layer == "re_lu_1"
        np.testing.assert_allclose(found.map, cam, rtol=1e-4, atol=1e-6)
        slopes = abs(x.grad[0]).amax(dim=0).numpy()
        np.testing.assert_allclose(
            explain.saliency(model, image, of).map, slopes, rtol=1e-4, atol=1e-6
        )
