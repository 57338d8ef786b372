"""Weighted logistic regression without a penalty, and how far its coefficients may be off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Model:
    """Coefficients, the intercept first, and their covariance.

    The covariance is the sandwich A^-1 B A^-1 of weighted likelihoods: A the Fisher information,
    B the sum of squared scores (White 1982). With weights of 1 it estimates A^-1. It holds the noise
    of the labels and that of the draw.
    """

    coefficients: Array
    covariance: Array

    def shifted(self, by: float) -> Model:
        """The model with that added to its logits."""
        moved = self.coefficients.copy()
        moved[0] += by
        return Model(coefficients=moved, covariance=self.covariance)

    def logits(self, design: Array) -> Array:
        return design @ self.coefficients

    def standard_errors(self, design: Array) -> Array:
        """Of the logits."""
        return np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design))

    def worst_z(self, truth: Array) -> float:
        """The most standard errors that any logit, of any row, can be from that of `truth`.

        That is the root of the Wald statistic: no combination of coefficients is further off.
        """
        off = self.coefficients - truth
        return float(np.sqrt(off @ np.linalg.solve(self.covariance, off)))


def design(features: Array) -> Array:
    """The features with a column of ones before them."""
    return np.column_stack([np.ones(len(features)), features])


def probability(logits: Array | float) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.asarray(logits))))


def fit(features: Array, label: Array, weight: Array) -> Model:
    """Newton's method from 0 until no coefficient moves by 1e-10.

    Args:
      features: [rows, features]; no row twice: copies are one row with the sum of their weights.
      label: [rows], 0 or 1.
      weight: [rows].

    Raises:
      ValueError: no end after 50 steps, as where a line separates the classes.
    """
    rows = design(features)
    coefficients = np.zeros(rows.shape[1])
    for _ in range(50):
        predicted = probability(rows @ coefficients)
        information = rows.T @ (rows * (weight * predicted * (1 - predicted))[:, None])
        scores = rows * (weight * (label - predicted))[:, None]
        step = np.linalg.solve(information, scores.sum(axis=0))
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-10:
            inverse = np.linalg.inv(information)
            return Model(coefficients=coefficients, covariance=inverse @ (scores.T @ scores) @ inverse)
    raise ValueError("Newton's method did not converge in 50 steps.")
