"""Batches: what they hold, their order, and the logits of a model for all texts."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from edgekd.batches import NO_LABEL, EncodedTexts, PadToLongest, predict_logits  # noqa: E402
from edgekd.buckets import LengthBuckets, token_batches  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.tasks import TaskKind  # noqa: E402
from edgekd.teacher.load import encode, load_classifier  # noqa: E402
from tests.toys import make_classifier, toy_data  # noqa: E402


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_classifier(make_classifier(tmp_path_factory.mktemp("teacher")), 32, Silent())


def test_padding_of_a_batch():
    batch = PadToLongest(9)([{"input_ids": [1, 2, 3], "labels": 0}, {"input_ids": [4], "labels": 1}])
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [0, 1]


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=8), st.data())
def test_a_batch_by_rows_is_the_batch_of_its_items(input_ids, data):
    texts = EncodedTexts(input_ids, [None] * len(input_ids), np.arange(2 * len(input_ids)).reshape(-1, 2))
    rows = data.draw(st.lists(st.integers(0, len(input_ids) - 1), min_size=1, max_size=9))
    fast = PadToLongest(0)(texts.__getitems__(rows))
    slow = PadToLongest(0)([texts[row] for row in rows])
    assert fast.keys() == slow.keys()
    for name, tensor in fast.items():
        assert tensor.dtype == slow[name].dtype
        assert torch.equal(tensor, slow[name])
    for row, ids, mask in zip(rows, fast["input_ids"].tolist(), fast["attention_mask"].tolist(), strict=True):
        assert ids[: sum(mask)] == input_ids[row]


def test_a_single_label_batch_marks_texts_without_a_label():
    batch = EncodedTexts([[5], [6], [7]], [1, None, 0]).batch([0, 1, 2], 0)
    assert batch["labels"].tolist() == [1, NO_LABEL, 0]
    assert batch["labels"].dtype == torch.int64
    loss = torch.nn.functional.cross_entropy(torch.zeros(3, 2), batch["labels"], reduction="none")
    assert loss[1] == 0  # torch leaves them out without being told


def test_a_multi_label_batch_has_a_row_of_ones_and_zeros_or_nan():
    texts = EncodedTexts([[5], [6], [7]], [(0, 2), None, ()], task=TaskKind.MULTI_LABEL, num_labels=3)
    labels = texts.batch([0, 1, 2], 0)["labels"]
    assert labels.dtype == torch.float32
    assert labels[0].tolist() == [1, 0, 1]
    assert labels[1].isnan().all()
    assert labels[2].tolist() == [0, 0, 0]


def test_the_number_of_labels_comes_from_the_teacher_or_must_be_given():
    targets = [(1,)]
    texts = EncodedTexts([[5]], targets, np.zeros((1, 4)), TaskKind.MULTI_LABEL)
    assert texts.batch([0], 0)["labels"].tolist() == [[0, 1, 0, 0]]
    assert texts.batch([0], 0)["teacher_logits"].dtype == torch.float32
    with pytest.raises(ValueError, match="needs num_labels"):
        EncodedTexts([[5]], targets, task=TaskKind.MULTI_LABEL)


def test_a_regression_batch_has_values_or_nan():
    labels = EncodedTexts([[5], [6]], [-2.5, None], task=TaskKind.REGRESSION).batch([0, 1], 0)["labels"]
    assert labels.dtype == torch.float32
    assert labels[0] == -2.5
    assert labels[1].isnan()


def test_texts_and_labels_must_be_as_many():
    with pytest.raises(ValueError, match="differ in number"):
        EncodedTexts([[1], [2]], [0])
    with pytest.raises(ValueError, match="differ in number"):
        EncodedTexts([[1]], [0], np.zeros((2, 2)))


@given(st.lists(st.integers(1, 40), max_size=300), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_has_every_text_once_and_a_short_batch_last(lengths, batch_size, seed, epoch):
    buckets = LengthBuckets(np.array(lengths, dtype=np.int64), batch_size, seed)
    buckets.set_epoch(epoch)
    batches = list(buckets)
    assert len(batches) == len(buckets)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert batches == list(buckets)  # the order depends on seed and epoch alone


def test_epochs_and_seeds_have_other_orders_and_little_padding():
    lengths = np.random.default_rng(0).integers(3, 60, 5000)
    orders = []
    for seed, epoch in [(0, 0), (0, 1), (1, 0)]:
        buckets = LengthBuckets(lengths, 32, seed)
        buckets.set_epoch(epoch)
        orders.append(list(buckets))
    assert orders[0] != orders[1] != orders[2] != orders[0]
    padded = sum(len(batch) * lengths[batch].max() for batch in orders[0])
    assert padded < 1.1 * lengths.sum()
    firsts = [lengths[batch].mean() for batch in orders[0]]
    assert np.abs(np.corrcoef(firsts, np.arange(len(firsts)))[0, 1]) < 0.3  # not from short to long


def test_resuming_in_an_epoch_skips_exactly_what_was_done():
    from accelerate import skip_first_batches

    texts = EncodedTexts([[5] * length for length in range(1, 31)], [0] * 30)
    buckets = LengthBuckets(texts.input_ids.lengths, 4, 0)
    loader = torch.utils.data.DataLoader(texts, batch_sampler=buckets, collate_fn=PadToLongest(0))
    buckets.set_epoch(2)
    whole = [batch["input_ids"].tolist() for batch in loader]
    rest = [batch["input_ids"].tolist() for batch in skip_first_batches(loader, 3)]
    assert rest == whole[3:]


@pytest.mark.parametrize("processes", [1, 2])
def test_several_gpus_share_the_batches_of_an_epoch(processes):
    from accelerate.data_loader import BatchSamplerShard

    buckets = LengthBuckets(np.arange(1, 41), 4, 0)
    shards = [list(BatchSamplerShard(buckets, processes, index)) for index in range(processes)]
    assert sorted(row for shard in shards for batch in shard for row in batch) == list(range(40))


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 64), st.one_of(st.none(), st.integers(1, 5)))
def test_token_batches_keep_to_their_budget(lengths, tokens, texts):
    batches = list(token_batches(np.array(lengths, dtype=np.int64), tokens=tokens, texts=texts))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) == 1 or len(batch) * longest <= tokens
        assert texts is None or len(batch) <= texts


def test_token_batches_by_hand():
    lengths = np.array([5, 1, 2, 2, 30])
    assert [batch.tolist() for batch in token_batches(lengths, tokens=6)] == [[1, 2, 3], [0], [4]]


def test_logits_come_back_in_the_order_of_the_texts(teacher):
    ids = encode(teacher.tokenizer, toy_data().train.texts[:20], 32)
    alone = np.concatenate([predict_logits(teacher.model, [row]) for row in ids])
    for options in ({"batch_size": 7}, {"tokens": 50}, {}):
        assert np.allclose(predict_logits(teacher.model, ids, **options), alone, atol=1e-5)
    assert predict_logits(teacher.model, []).shape == (0, 2)
