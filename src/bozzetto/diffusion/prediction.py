"""One network, three questions: which noise is in this picture, what is the picture, and which way lies the noise?

On the path x = alpha * clean + sigma * noise any one answer gives the other two. The names are those of diffusers:

    "epsilon"        the noise                                       Ho et al. 2020, eq. 14
    "sample"         the clean picture                               Li & He 2025 (JiT), section 3
    "v_prediction"   the velocity noise - clean of the straight path  Liu et al. 2023, eq. 1

Samplers ask for the clean picture. Plain arithmetic: numpy arrays and torch tensors work alike, and alpha and sigma
may be numbers or arrays that broadcast.
"""

from typing import Any

Array = Any  # numpy.ndarray or torch.Tensor

PREDICTION_TYPES = ("epsilon", "sample", "v_prediction")


def clean_from(prediction: Array, x: Array, alpha: Array, sigma: Array, prediction_type: str) -> Array:
    """The clean picture that a prediction about x implies. From the noise it cannot be told where alpha is 0."""
    if prediction_type == "epsilon":
        return (x - sigma * prediction) / alpha
    if prediction_type == "v_prediction":  # x = (alpha + sigma) clean + sigma v
        return (x - sigma * prediction) / (alpha + sigma)
    if prediction_type != "sample":
        raise ValueError(f"prediction_type must be one of {', '.join(PREDICTION_TYPES)}, not {prediction_type!r}")
    return prediction
