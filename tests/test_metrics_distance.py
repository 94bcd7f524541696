"""Distribution metrics against closed forms, brute force and sets whose answer is known."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bozzetto.errors import MissingExtra, WeightsError
from bozzetto.metrics import features as feature_module
from bozzetto.metrics.coverage import coverage_metrics, neighbour_radii
from bozzetto.metrics.features import check_weights, efficientnet_features
from bozzetto.metrics.frechet import bootstrap_interval, frechet_distance
from bozzetto.metrics.memorization import memorization, nearest, pixel_vectors
from bozzetto.pictures import on_white
from distances import floor, kernel_distance


def clouds(seed, n=400, m=300, d=6, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) + shift


def with_moments(rng, n, mean, deviations):
    """Rows whose sample mean and (diagonal) sample covariance are exactly the given ones."""
    rows = rng.normal(size=(n, len(mean)))
    rows -= rows.mean(0)
    white = np.linalg.qr(rows)[0] * np.sqrt(n - 1)
    return white * deviations + mean


# Frechet -------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_frechet_is_the_closed_form_of_gaussians(seed, d):
    rng = np.random.default_rng(seed)
    mean_a, mean_b = rng.normal(size=(2, d))
    std_a, std_b = rng.uniform(0.1, 3, size=(2, d))
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    a = with_moments(rng, 40, mean_a, std_a) @ turn
    b = with_moments(rng, 25, mean_b, std_b) @ turn
    expected = ((mean_a - mean_b) ** 2).sum() + ((std_a - std_b) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_frechet_of_general_covariances_agrees_with_the_matrix_square_root():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(1)
    a = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5))
    b = rng.normal(size=(50, 5)) @ rng.normal(size=(5, 5)) + 1
    ca, cb = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(ca @ cb).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(2, 30), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_frechet_is_symmetric_non_negative_and_zero_for_a_set_and_itself(seed, n, m, d):
    a, b = clouds(seed, n, m, d, shift=0.5)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9, abs=1e-9)
    assert frechet_distance(a, b) >= 0
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8 * d)
    assert frechet_distance(a, a[::-1] + 3) == pytest.approx(9 * d, rel=1e-7)


def test_fewer_rows_than_features_is_the_same_number_as_in_a_padded_space():
    a, b = clouds(3, 8, 9, 5, shift=1)
    pad = np.zeros((1, 40))
    wide_a, wide_b = a @ np.eye(5, 40) + pad, b @ np.eye(5, 40) + pad
    assert frechet_distance(wide_a, wide_b) == pytest.approx(frechet_distance(a, b), rel=1e-9)


# Kernel distance -----------------------------------------------------------------------------------------


def test_kernel_distance_is_unbiased_where_the_frechet_distance_is_not():
    scores = np.array([kernel_distance(*clouds(s, 40, 40, 8), subsets=1) for s in range(200)])
    error = scores.std() / np.sqrt(len(scores))
    assert abs(scores.mean()) < 3 * error
    assert (scores < 0).any()
    assert np.mean([frechet_distance(*clouds(s, 40, 40, 8)) for s in range(20)]) > 0.5


def test_kernel_distance_is_the_sum_over_pairs():
    a, b = clouds(5, 7, 7, 3, shift=1)

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    within = sum(kernel(s[i], s[j]) for s in (a, b) for i in range(7) for j in range(7) if i != j) / 42
    across = sum(kernel(x, y) for x in a for y in b) / 49
    assert kernel_distance(a, b, subsets=3) == pytest.approx(within - 2 * across, rel=1e-9)


def test_kernel_distance_sees_a_shift_and_repeats_with_its_seed():
    a, b = clouds(6, shift=1)
    near, far = kernel_distance(a, a[:200], subset_size=100), kernel_distance(a, b, subset_size=100)
    assert far > 10 * abs(near)
    assert far == kernel_distance(a, b, subset_size=100)
    assert far != kernel_distance(a, b, subset_size=100, seed=1)


# Interval and floor --------------------------------------------------------------------------------------


def test_interval_holds_the_true_value_about_as_often_as_it_says():
    def difference(a, b):
        return float(a.mean() - b.mean())

    held = [
        e.low <= -1 <= e.high
        for e in (bootstrap_interval(difference, *clouds(s, 40, 50, 1, shift=1), seed=s) for s in range(100))
    ]
    assert 0.85 <= np.mean(held) <= 1


def test_interval_brackets_its_own_value_and_states_n():
    a, b = clouds(2, 60, 50, 4)
    estimate = bootstrap_interval(frechet_distance, a, b, n_boot=50)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.value == frechet_distance(a, b)
    assert (estimate.n_a, estimate.n_b) == (60, 50)
    assert estimate == bootstrap_interval(frechet_distance, a, b, n_boot=50)


def test_floor_falls_with_n_and_lies_below_another_distribution():
    real, other = clouds(4, 800, 400, 6, shift=0.5)
    small, large = floor(real, frechet_distance, n=50), floor(real, frechet_distance)
    assert (small.n_a, large.n_a, large.n_b) == (50, 400, 400)
    assert small.low <= small.value <= small.high
    assert small.value > 2 * large.value
    assert frechet_distance(real[:400], other) > large.high


@pytest.mark.parametrize(
    "call",
    [
        lambda: frechet_distance(np.zeros((5, 3)), np.zeros((5, 4))),
        lambda: frechet_distance(np.zeros((1, 3)), np.zeros((5, 3))),
        lambda: frechet_distance(np.full((5, 3), np.nan), np.zeros((5, 3))),
        lambda: kernel_distance(np.zeros((5, 3)), np.zeros((5, 3)), subsets=0),
        lambda: bootstrap_interval(frechet_distance, np.eye(4), np.eye(4), n_boot=1),
        lambda: floor(np.eye(10), frechet_distance, n=6),
        lambda: coverage_metrics(np.eye(5), np.eye(5), k=5),
        lambda: memorization(np.eye(4), np.eye(4), np.eye(5)),
        lambda: memorization(np.eye(4), np.eye(4), np.eye(4), percentile=0),
        lambda: on_white(np.zeros((2, 64, 64, 3), np.uint8)),
        lambda: efficientnet_features(np.zeros((1, 64, 64, 4), np.uint8), size=8),
    ],
)
def test_bad_input_is_one_clear_line(call):
    with pytest.raises(ValueError, match=r"^[^\n]{15,}$"):
        call()


# Coverage ------------------------------------------------------------------------------------------------


def modes(rng, n, centres):
    return np.array(centres)[rng.integers(len(centres), size=n)] + rng.normal(size=(n, 2)) * 0.3


CENTRES = [(0, 0), (20, 0), (0, 20), (20, 20)]


def test_like_sets_score_high_everywhere():
    rng = np.random.default_rng(0)
    same = coverage_metrics(modes(rng, 400, CENTRES), modes(rng, 400, CENTRES))
    assert min(same.precision, same.recall, same.coverage) > 0.9
    assert same.density == pytest.approx(1, abs=0.2)
    assert (same.n_real, same.n_fake, same.k) == (400, 400, 5)


def test_a_dropped_mode_costs_recall_and_coverage_not_precision():
    rng = np.random.default_rng(0)
    dropped = coverage_metrics(modes(rng, 400, CENTRES), modes(rng, 400, CENTRES[:2]))
    assert dropped.precision > 0.9
    assert dropped.recall == pytest.approx(0.5, abs=0.1)
    assert dropped.coverage == pytest.approx(0.5, abs=0.1)


def test_an_invented_mode_costs_precision_not_recall():
    rng = np.random.default_rng(0)
    invented = coverage_metrics(modes(rng, 400, CENTRES[:2]), modes(rng, 400, CENTRES))
    assert invented.recall > 0.9
    assert invented.precision == pytest.approx(0.5, abs=0.1)


@given(st.integers(0, 10_000), st.integers(6, 20), st.integers(6, 20), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_coverage_metrics_equal_their_definitions_in_any_chunk_size(seed, n, m, k):
    real, fake = clouds(seed, n, m, 3, shift=0.7)
    cross = ((real[:, None] - fake) ** 2).sum(2)

    def radii(x):
        return np.sort(((x[:, None] - x) ** 2).sum(2), axis=1)[:, k]

    in_real, in_fake = cross <= radii(real)[:, None], cross <= radii(fake)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bozzetto.metrics.coverage.CHUNK", 4)
        score = coverage_metrics(real, fake, k)
        assert neighbour_radii(real, k) == pytest.approx(radii(real))
    assert score.precision == pytest.approx(in_real.any(0).mean())
    assert score.recall == pytest.approx(in_fake.any(1).mean())
    assert score.density == pytest.approx(in_real.sum() / (k * m))
    assert score.coverage == pytest.approx(in_real.any(1).mean())


# Memorization --------------------------------------------------------------------------------------------


def test_copies_are_found_and_fresh_drawings_are_not():
    rng = np.random.default_rng(0)
    train, held_out, fresh = rng.normal(size=(300, 8)), rng.normal(size=(300, 8)), rng.normal(size=(300, 8))
    copied = rng.integers(300, size=100)
    copies = memorization(train[copied], train, held_out)
    assert copies.share_near == 1
    assert (copies.generated == 0).all()
    assert (copies.neighbour == copied).all()
    assert memorization(fresh, train, held_out).share_near < 0.12
    half = memorization(np.vstack([fresh[:100], train[:100] + 1e-3]), train, held_out)
    assert 0.5 <= half.share_near < 0.6
    assert half.summary()["n_generated"] == 200


def test_training_rows_are_not_their_own_neighbours():
    report = memorization(np.eye(3), np.eye(3), np.eye(3) * 2)
    assert report.train == pytest.approx(np.sqrt(2))
    assert report.held_out == pytest.approx(1)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_nearest_is_brute_force(seed):
    query, reference = clouds(seed, 13, 17, 4)
    distance, index = nearest(query, reference)
    table = np.linalg.norm(query[:, None] - reference, axis=2)
    assert (index == table.argmin(1)).all()
    assert distance == pytest.approx(table.min(1))


def test_pixel_distance_is_root_mean_square_on_white():
    white = np.zeros((1, 64, 64, 4), np.uint8)  # transparent: the colour below does not matter
    black = np.zeros_like(white)
    black[..., 3] = 255
    hidden = np.full_like(white, 200)
    hidden[..., 3] = 0
    w, b, h = (pixel_vectors(x)[0] for x in (white, black, hidden))
    assert np.linalg.norm(w - b) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(w - h) == 0


# Feature net ---------------------------------------------------------------------------------------------


def test_features_are_of_the_picture_alone():
    pytest.importorskip("efficientnet_lite_pytorch")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 64, 64, 4), np.uint8)
    features = efficientnet_features(images, size=64)
    assert features.shape == (5, 1280) and features.dtype == np.float32
    assert features.min() >= 0 and features.std() > 0
    # The batch a picture travels in does not change it, nor does the colour below full transparency.
    assert efficientnet_features(images, size=64, batch=2) == pytest.approx(features, abs=1e-4)
    images[0, ..., 3] = 0
    hidden = images[:1].copy()
    hidden[..., :3] = 77
    clear, other = efficientnet_features(np.concatenate([images[:1], hidden]), size=64)
    assert (clear == other).all()


def test_features_tell_drawings_of_one_kind_from_another():
    pytest.importorskip("efficientnet_lite_pytorch")
    ys, xs = np.mgrid[:64, :64]
    rng = np.random.default_rng(0)

    def picture(inside):
        out = np.zeros((64, 64, 4), np.uint8)
        out[inside] = (200, 40, 40, 255)
        return out

    discs, bars = [], []
    for _ in range(12):
        cy, cx, r = rng.integers(24, 40), rng.integers(24, 40), rng.integers(10, 20)
        discs.append(picture((ys - cy) ** 2 + (xs - cx) ** 2 < r * r))
        bars.append(picture((ys // r % 2 == 0) & (abs(xs - cx) < 2 * r)))
    a, b = efficientnet_features(np.stack(discs), 64), efficientnet_features(np.stack(bars), 64)
    assert frechet_distance(a, b) > 2 * frechet_distance(a[::2], a[1::2])


def test_a_missing_feature_net_names_the_extra(monkeypatch):
    feature_module._network.cache_clear()
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'bozzetto\[eval\]'"):
        efficientnet_features(np.zeros((1, 64, 64, 4), np.uint8), size=64)


def test_changed_weights_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"net\.pth is missing"):
        check_weights(tmp_path / "net.pth")
    (tmp_path / "net.pth").write_bytes(b"not the weights")
    with pytest.raises(WeightsError, match="not the published weights"):
        check_weights(tmp_path / "net.pth")
