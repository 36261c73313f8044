"""Hashed n-grams and the additive student, against values made by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from edgekd.student.bag import BagConfig, BagForSequenceClassification  # noqa: E402
from edgekd.student.linear import LinearConfig, LinearForSequenceClassification  # noqa: E402
from edgekd.student.ngrams import hashed_ngrams  # noqa: E402


def bucket(tokens, buckets):
    code = tokens[0]
    for token in tokens[1:]:
        code = (code * 1_000_003 + token) % (2**31 - 1)
    return code % buckets


def test_buckets_by_hand():
    ids = torch.tensor([[7, 5, 9]])
    (two, two_mask), (three, three_mask) = hashed_ngrams(ids, torch.ones_like(ids), 3, 1000)
    # 7 * 1000003 + 5 = 7000026, 5 * 1000003 + 9 = 5000024, (7000026 * 1000003 + 9) mod (2^31 - 1) = 1475170154
    assert two.tolist() == [[26, 24]]
    assert three.tolist() == [[(7_000_026 * 1_000_003 + 9) % 2_147_483_647 % 1000]]
    assert two_mask.tolist() == [[1, 1]]
    assert three_mask.tolist() == [[1]]


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_short_texts_have_fewer_ngrams(length):
    ids = torch.ones(2, length, dtype=torch.long)
    shapes = [tuple(rows.shape) for rows, _ in hashed_ngrams(ids, ids, 4, 50)]
    assert shapes == [(2, max(0, length - 1)), (2, max(0, length - 2)), (2, max(0, length - 3))]


@given(st.lists(st.integers(0, 2**31 - 2), min_size=2, max_size=8), st.integers(16, 2**20))
@settings(max_examples=100)
def test_no_token_id_overflows(tokens, buckets):
    ids = torch.tensor([tokens])
    for n, (rows, _) in enumerate(hashed_ngrams(ids, torch.ones_like(ids), 4, buckets), start=2):
        assert rows[0].tolist() == [bucket(tokens[i : i + n], buckets) for i in range(len(tokens) - n + 1)]


def test_an_ngram_with_a_masked_token_does_not_count():
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    mask = torch.tensor([[1, 1, 0, 1, 1]])
    (_, two), (_, three) = hashed_ngrams(ids, mask, 3, 100)
    assert two.tolist() == [[1, 0, 0, 1]]
    assert three.tolist() == [[0, 0, 0]]


def test_buckets_are_evenly_used():
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 30_522, (1, 64_001), generator=generator)
    [(rows, _)] = hashed_ngrams(ids, torch.ones_like(ids), 2, 64)
    used = torch.bincount(rows[0], minlength=64).float()
    # 1000 expected in each: a standard deviation of about 31.
    assert used.min() > 1000 - 5 * 32
    assert used.max() < 1000 + 5 * 32


def test_logits_are_exactly_the_sum_of_the_contributions():
    model = LinearForSequenceClassification(LinearConfig(vocab_size=20, ngrams=3, buckets=16, num_labels=3)).eval()
    torch.manual_seed(0)
    torch.nn.init.normal_(model.weights.weight)
    torch.nn.init.normal_(model.bias)
    tokens, padded = [2, 7, 7, 9, 3], torch.tensor([[2, 7, 7, 9, 3, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0]])
    table = model.weights.weight.detach().double()
    expected = model.bias.detach().double()
    for n in (1, 2, 3):
        for i in range(len(tokens) - n + 1):
            gram = tokens[i : i + n]
            expected = expected + table[gram[0] if n == 1 else 20 + bucket(gram, 16)] / math.sqrt(len(tokens))
    logits = model(input_ids=padded, attention_mask=mask).logits[0]
    assert torch.allclose(logits.double(), expected, atol=1e-6)
    rows, counts = model.features(padded, mask)
    assert rows.shape == counts.shape == (1, 7 + 6 + 5)
    assert counts.sum() == 5 + 4 + 3


def test_a_new_linear_student_favours_nothing():
    model = LinearForSequenceClassification(LinearConfig(vocab_size=20, ngrams=1)).eval()
    ids = torch.tensor([[2, 5, 3]])
    assert torch.equal(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits, torch.zeros(1, 2))
    assert model.weights.weight.shape == (20, 2)


def test_a_text_without_tokens_gets_the_bias():
    model = LinearForSequenceClassification(LinearConfig(vocab_size=20, buckets=16)).eval()
    torch.nn.init.normal_(model.weights.weight)
    torch.nn.init.normal_(model.bias)
    ids = torch.tensor([[4, 5]])
    logits = model(input_ids=ids, attention_mask=torch.zeros_like(ids)).logits
    assert torch.equal(logits[0], model.bias.detach())


def test_ngrams_change_nothing_at_the_start_of_a_bag():
    sizes = {"vocab_size": 30, "embedding_dim": 6, "hidden_dim": 5}
    torch.manual_seed(0)
    plain = BagForSequenceClassification(BagConfig(**sizes)).eval()
    grams = BagForSequenceClassification(BagConfig(ngrams=3, buckets=16, **sizes)).eval()
    grams.load_state_dict(plain.state_dict(), strict=False)
    ids = torch.tensor([[2, 5, 9, 3]])
    mask = torch.ones_like(ids)
    before = plain(input_ids=ids, attention_mask=mask).logits
    assert torch.equal(grams(input_ids=ids, attention_mask=mask).logits, before)
    torch.nn.init.normal_(grams.ngram_embeddings.weight)
    assert not torch.allclose(grams(input_ids=ids, attention_mask=mask).logits, before)
