"""The door between Python and the compiled engine: whatever is handed in is used rightly, or refused by a sentence."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

N, D, K = 40, 70, 3


def make_bank(native, *, n_members=1, n_features=D, **change):
    rng = np.random.default_rng(0)
    arguments = {
        "weights": rng.standard_normal((K * n_members, n_features)).astype(np.float32),
        "bias": np.zeros(K * n_members, np.float32),
        "mean": np.zeros(n_features),
        "std": np.ones(n_features),
        "losses": np.zeros(n_members, np.uint8),
        "fold_of": np.zeros(n_members, np.int32),
        "shifts": None,
        "slopes": None,
        "batch_size": 16,
        "n_threads": 2,
        "instruction_set": native.list_instruction_sets()[0],
    }
    return native.NativeBank(**arguments | change)


def make_epoch(X=None, n_members=1, **change):
    X = make_features() if X is None else X
    n = len(X)
    starts = np.array([*range(0, n, 16), n])
    arguments = {
        "X": X,
        "order": np.random.default_rng(1).permutation(n),
        "mirrored": None,
        "scales": None,
        "width": 10,
        "y": np.arange(n) % K,
        "starts": starts,
        "steps": np.full((len(starts) - 1, n_members), 0.01, np.float32),
        "shrink": np.ones((len(starts) - 1, n_members), np.float32),
        "factors": None,
    }
    return arguments | change


def make_features(dtype="float32", n_features=D):
    X = np.random.default_rng(2).uniform(0, 200, (N, n_features))
    return X.astype(dtype)


def read(bank, n_members=1, n_features=D):
    weights, bias = np.empty((K * n_members, n_features), np.float32), np.empty(K * n_members, np.float32)
    bank.read_weights(weights=weights, bias=bias)
    return weights.tobytes(), bias.tobytes()


def _freeze(X):
    X.flags.writeable = False
    return X


def _misalign(X):
    memory = np.empty(X.nbytes + 1, np.uint8)
    moved = memory[1:].view(X.dtype).reshape(X.shape)
    moved[:] = X
    return moved


def _put_into_records(X):
    records = np.zeros(len(X), [("mark", np.uint8), ("x", X.dtype, X.shape[1])])
    records["x"] = X
    return records["x"]


LAYOUTS = {
    "read-only": lambda X: _freeze(X.copy()),
    "columns first": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every third column": lambda X: np.repeat(X, 3, axis=1)[:, ::3],
    "backwards": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "misaligned": _misalign,
    "in a record": _put_into_records,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_however_features_lie_in_memory_the_bytes_are_the_same(native, layout, dtype, is_mirrored):
    X = make_features(dtype)
    mirrored = (np.arange(N) % 2).astype(np.uint8) if is_mirrored else None
    results = []
    for features in (X, LAYOUTS[layout](X)):
        bank = make_bank(native)
        bank.train(**make_epoch(features, mirrored=mirrored))
        scores = np.empty((1, N, K), np.float32)
        bank.score(X=features, order=None, scales=None, scores=scores)
        results.append((*read(bank), scores.tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e-45])
@pytest.mark.parametrize("place", ["X", "weights", "bias", "mean", "std", "steps", "shrink"])
def test_no_number_is_too_strange(native, place, value):
    """Nothing is promised of what comes out but that it comes; what is lost shows as a loss that is no number."""
    bank_change, epoch = {}, make_epoch()
    array = {
        "X": epoch["X"],
        "weights": np.ones((K, D), np.float32),
        "bias": np.zeros(K, np.float32),
        "mean": np.zeros(D),
        "std": np.ones(D),
        "steps": epoch["steps"],
        "shrink": epoch["shrink"],
    }[place]
    array[(0,) * array.ndim] = value
    if place in ("weights", "bias", "mean", "std"):
        bank_change[place] = array
    bank = make_bank(native, **bank_change)
    bank.train(**epoch)
    losses, correct = np.empty((1, N), np.float32), np.empty((1, N), np.uint8)
    bank.measure(X=epoch["X"], order=None, scales=None, y=epoch["y"], losses=losses, correct=correct)
    assert set(correct.ravel().tolist()) <= {0, 1}
    if place != "mean" and np.isnan(value):
        assert not np.isfinite(losses).all()


@pytest.mark.parametrize(
    "change",
    [
        {"weights": np.zeros((0, D), np.float32)},
        {"weights": np.zeros((K, 0), np.float32)},
        {"weights": np.zeros(K, np.float32)},
        {"bias": np.zeros(K + 1, np.float32)},
        {"mean": np.zeros(D - 1)},
        {"std": np.zeros(D + 1)},
        {"losses": np.zeros(0, np.uint8)},
        {"losses": np.array([2], np.uint8)},
        {"losses": np.zeros(2, np.uint8)},
        {"fold_of": np.zeros(2, np.int32)},
        {"fold_of": np.array([-1], np.int32)},
        {"fold_of": np.array([1], np.int32), "shifts": np.zeros((1, D))},
        {"shifts": np.zeros((1, D - 1))},
        {"slopes": np.ones((1, D))},
        {"shifts": np.zeros((2, D)), "slopes": np.ones((1, D))},
        {"batch_size": 0},
        {"batch_size": -1},
        {"n_threads": -1},
        {"instruction_set": "vax"},
        {"weights": None},
        {"weights": "weights"},
    ],
)
def test_a_bank_that_cannot_be_is_refused(native, change):
    with pytest.raises((ValueError, TypeError)):
        make_bank(native, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"X": make_features()[:, 1:]},
        {"X": make_features().ravel()},
        {"X": make_features("int32")},
        {"X": make_features(">f4")},
        {"X": make_features("complex64")},
        {"X": np.array([["a"] * D] * N)},
        {"order": np.arange(N) + 1},
        {"order": np.arange(N) - 1},
        {"order": np.full(N, 2**62)},
        {"order": np.arange(N - 1)},
        {"mirrored": np.zeros(N - 1, np.uint8)},
        {"mirrored": np.zeros(N, np.uint8), "width": 0},
        {"mirrored": np.zeros(N, np.uint8), "width": 11},
        {"scales": np.zeros(N + 1, np.float32)},
        {"y": np.arange(N)},
        {"y": np.full(N, -1)},
        {"y": np.zeros(N - 1, np.int64)},
        {"y": np.zeros((N, K), np.uint8)},
        {"y": np.zeros((N, K + 1), np.uint8)},
        {"y": np.zeros(N, np.float32)},
        {"y": np.int64(0)},
        {"starts": np.zeros(0, np.int64)},
        {"starts": np.array([0, N])},
        {"starts": np.array([0, 16, 16, 32, N])},
        {"starts": np.array([0, 16, 8, N])},
        {"starts": np.array([1, 16, 32, N])},
        {"starts": np.array([0, 16, 32, N - 1])},
        {"starts": np.array([0, 16, 32, N + 1])},
        {"steps": np.zeros((2, 1), np.float32)},
        {"steps": np.zeros((3, 2), np.float32)},
        {"shrink": np.zeros((4, 1), np.float32)},
        {"factors": np.zeros((0, N), np.float32)},
        {"factors": np.zeros((1, N - 1), np.float32)},
    ],
)
def test_an_epoch_that_cannot_be_is_refused_and_changes_nothing(native, change):
    bank = make_bank(native)
    before = read(bank)
    with pytest.raises((ValueError, TypeError)):
        bank.train(**make_epoch(**change))
    assert read(bank) == before


def test_answers_want_room_of_their_own(native):
    bank, X, y = make_bank(native), make_features(), np.arange(N) % K
    losses, correct = np.empty((1, N), np.float32), np.empty((1, N), np.uint8)
    frozen = _freeze(np.empty((1, N), np.float32))
    for wrong in (losses[:, 1:], losses.astype(np.float64), np.empty((2, N), np.float32), frozen, losses[:, ::-1]):
        with pytest.raises((ValueError, TypeError)):
            bank.measure(X=X, order=None, scales=None, y=y, losses=wrong, correct=correct)
    for wrong in (np.empty((1, N, K + 1), np.float32), np.empty((1, N, K)), np.empty((1, K, N), np.float32)):
        with pytest.raises((ValueError, TypeError)):
            bank.score(X=X, order=None, scales=None, scores=wrong)


def test_no_rows_are_no_work(native):
    bank, X = make_bank(native), make_features()
    before = read(bank)
    nothing = make_epoch(X, order=np.zeros(0, np.int64), y=np.zeros(0, np.int64), starts=np.zeros(1, np.int64))
    bank.train(**nothing | {"steps": np.zeros((0, 1), np.float32), "shrink": np.zeros((0, 1), np.float32)})
    assert read(bank) == before
    losses, correct = np.empty((1, 0), np.float32), np.empty((1, 0), np.uint8)
    bank.measure(X=X[:0], order=None, scales=None, y=np.zeros(0, np.int64), losses=losses, correct=correct)
    bank.score(X=X[:0], order=None, scales=None, scores=np.empty((1, 0, K), np.float32))


ARRAYS = st.builds(
    lambda shape, dtype, seed: (np.random.default_rng(seed).standard_normal(shape) * 50).astype(dtype),
    st.lists(st.integers(0, 50), max_size=3).map(tuple),
    st.sampled_from(["uint8", "int32", "int64", "float16", "float32", "float64"]),
    st.integers(0, 9),
)


@settings(max_examples=300)
@given(
    name=st.sampled_from(["X", "order", "mirrored", "scales", "y", "starts", "steps", "shrink", "factors"]),
    array=ARRAYS | st.none(),
    width=st.integers(0, 2**63 - 1),
)
def test_a_fuzzed_epoch_runs_or_is_refused(native, name, array, width):
    bank = make_bank(native)
    with np.errstate(all="ignore"):
        try:
            bank.train(**make_epoch(**{name: array, "width": width}))
        except (ValueError, TypeError):
            return
    assert len(read(bank)[0]) == 4 * K * D


def test_two_threads_do_not_work_with_one_bank(native):
    bank = make_bank(native, n_features=3072)
    epoch = make_large_epoch()
    stop, refused = threading.Event(), []

    def train():
        while not stop.is_set():
            try:
                bank.train(**epoch)
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=train) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not refused and any(thread.is_alive() for thread in threads):
        stop.wait(1e-3)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(refused) == {"Another thread is at work with this bank."}


def make_large_epoch():
    X = np.ones((2000, 3072), np.float32)
    starts = np.arange(0, 2001, 16)
    epoch = make_epoch(X, starts=starts, order=np.arange(2000), y=np.zeros(2000, np.int64))
    return epoch | {name: np.ones((len(starts) - 1, 1), np.float32) for name in ("steps", "shrink")}


def test_the_interpreter_goes_on_while_an_epoch_runs(native):
    """A thread that only counts gets on while another is in the engine."""
    bank, epoch = make_bank(native, n_features=3072), make_large_epoch()
    is_over, counts = threading.Event(), []

    def count():
        while not is_over.is_set():
            counts.append(None)
            is_over.wait(1e-4)

    thread = threading.Thread(target=count)
    thread.start()
    before = len(counts)
    for _ in range(20):
        bank.train(**epoch)
    gained = len(counts) - before
    is_over.set()
    thread.join()
    assert gained > 20
