"""A dataset in PyTorch, without TensorFlow: a logistic regression on a sample, which predicts the source's shares.

pip install . torch
python examples/torch_dataset.py DIR
"""

import argparse
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from tfrecord_io import read_examples


class Examples(IterableDataset):
    """Batches of one epoch of a dataset. Each worker process of a DataLoader reads a part of its own.

    `options` are those of `read_examples`; the DataLoader gets batch_size=None, as these are whole batches.
    """

    def __init__(self, path: str, **options: object) -> None:
        self.path, self.options, self.epoch = path, options, 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration reads; passes over the classes go on from one to the next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple]:
        worker = get_worker_info()
        part = {} if worker is None else {"num_workers": worker.num_workers, "worker_index": worker.id}
        steps = read_examples(self.path, **self.options, **part).steps_per_epoch
        start, count = self.epoch * steps, self.epoch + 1
        yield from read_examples(self.path, **self.options, **part, start_step=start, num_epochs=count)


def main(path: str, epochs: int = 30, workers: int = 2) -> float:
    """Trains on all single numbers of a dataset of two classes; returns the mean predicted probability, weighted."""
    examples = Examples(path, batch_size=64, mix="balanced", label_ids=True, seed=1)
    loader = DataLoader(examples, batch_size=None, num_workers=workers)  # numpy arrays become tensors
    model = torch.nn.LazyLinear(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    total = predicted = 0.0
    for epoch in range(epochs):
        examples.set_epoch(epoch)
        for features, label, weight in loader:
            numbers = [value.float() for value in features.values() if torch.is_tensor(value) and value.ndim == 1]
            logits = model(torch.stack(numbers, dim=1))[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, label.float(), weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if epoch == epochs - 1:
                predicted += float((logits.detach().sigmoid() * weight).sum())
                total += float(weight.sum())
    print(f"mean predicted probability {predicted / total:.3f}")
    return predicted / total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", metavar="DIR", help="a dataset of two classes")
    main(parser.parse_args().path)
