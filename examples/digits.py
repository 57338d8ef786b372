"""Is it an eight? One digit in ten is: scikit-learn's digits, sampled, trained on, and calibrated.

pip install '.[beam,tf]' scikit-learn
python examples/digits.py
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

from beam_jobs import PresampleOptions, run
from input_fns import InputFn


def write_digits(path: Path) -> None:
    """1 797 rows: 64 pixels as a list, and whether the digit is an eight."""
    digits = load_digits()
    pixels = pa.FixedSizeListArray.from_arrays(pa.array((digits.data / 16).astype(np.float32).ravel()), 64)
    pq.write_table(pa.table({"pixels": pixels, "eight": pa.array((digits.target == 8).astype(np.int64))}), path)


def main(epochs: int = 150) -> tuple[float, float]:
    """Returns the mean predicted probability and the true share of eights, on rows never trained on."""
    with tempfile.TemporaryDirectory() as folder:
        write_digits(Path(folder, "digits.parquet"))
        dataset = f"{folder}/dataset"
        run(
            PresampleOptions(
                input=(f"{folder}/digits.parquet",), output=dataset, label="eight", splits="train=0.7,test=0.3"
            )
        )
        train = InputFn(dataset, split="train", batch_size=32, mix="balanced", seed=1)
        test = InputFn(dataset, split="test", batch_size=256, num_epochs=1, shuffle=False)
        pixels = keras.Input((64,), name="pixels")
        hidden = keras.layers.Dense(64, activation="relu")(pixels)
        model = keras.Model({"pixels": pixels}, keras.layers.Dense(1, activation="sigmoid")(hidden))
        model.compile("adam", "binary_crossentropy", weighted_metrics=[keras.metrics.AUC(name="auc")])
        model.fit(train(), steps_per_epoch=train.steps_per_epoch, epochs=epochs, verbose=0)
        predicted = float(model.predict(test(), verbose=0).mean())
        true = test.class_rows[1] / test.num_rows
        auc = model.evaluate(test(), verbose=0, return_dict=True)["auc"]
    print(f"AUC {auc:.3f}; mean predicted probability {predicted:.3f}, true share {true:.3f}")
    return predicted, true


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=150)
    main(parser.parse_args().epochs)
