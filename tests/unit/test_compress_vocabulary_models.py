"""Models with a smaller vocabulary: the same logits, files, graphs and explanations."""

from __future__ import annotations

import copy
from collections import Counter

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

from edgekd.batches import predict_logits  # noqa: E402
from edgekd.bundle import Manifest, write_manifest  # noqa: E402
from edgekd.compress.int8 import dynamic_int8  # noqa: E402
from edgekd.compress.tokenizer_json import compact_tokenizer  # noqa: E402
from edgekd.compress.vocabulary import SplitTokens, VocabularyReport, shrink_vocabulary  # noqa: E402
from edgekd.config import StudentConfig, VocabularyConfig  # noqa: E402
from edgekd.devices import find_profile  # noqa: E402
from edgekd.errors import ConfigError, InvalidArtifact, NotApplicable  # noqa: E402
from edgekd.explain.contributions import answer  # noqa: E402
from edgekd.explain.model import ExplainedModel, Reading  # noqa: E402
from edgekd.explain.words import join, word_spans  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402
from edgekd.export.parity import graph_logits  # noqa: E402
from edgekd.runtime.cache import CachedTokenizer  # noqa: E402
from edgekd.runtime.tokenization import open_encoder  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.vocabulary import train_tokenizer  # noqa: E402
from edgekd.tasks import Calibration, TaskKind  # noqa: E402
from edgekd.teacher.load import encode  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402
from tests.toys import toy_texts  # noqa: E402

FAMILIES = {
    "bert": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    "distilbert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16},
    "roberta": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    "electra": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
                "embedding_size": 8},
}  # fmt: skip
STUDENTS = ("linear", "linear of tokens", "bag", "bag with n-grams", "cnn", "bilstm of two layers", "bigru")
TEXTS = ["the film was great", "it is bad and dull, not very good.", "the the the", "", "a great a movie 12"]
OTHERS = ["awful fun unable", "boringly fine", "films", "日本"]
MAX_LENGTH = 32


def shaken(model, seed=1):
    """Give every parameter a random value, and every model something to say."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    return model.eval()


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


def student(name, teacher):
    return shaken(build_student(StudentConfig(**SHAPES[name]), teacher))


@pytest.fixture(scope="module")
def tokenizer(teacher):
    return teacher.tokenizer


def encoder(family, tokenizer, **options):
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        max_position_embeddings=48,
        pad_token_id=tokenizer.pad_token_id,
        num_labels=3,
        **FAMILIES[family],
        **options,
    )
    return shaken(AutoModelForSequenceClassification.from_config(config))


def logits(model, tokenizer, texts):
    """Padded in batches."""
    return predict_logits(model, encode(tokenizer, texts, MAX_LENGTH), pad_token_id=tokenizer.pad_token_id)


def reloaded(model, tokenizer, folder):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def check(model, tokenizer, folder):
    """Shrink, save and open again: fewer rows, the same logits, also of padded texts; the given model is untouched."""
    before = copy.deepcopy(model.state_dict())
    smaller, small_tokenizer, report = shrink_vocabulary(model, tokenizer, TEXTS, max_length=MAX_LENGTH)
    assert report.after == len(small_tokenizer) == smaller.config.vocab_size < report.before == len(tokenizer)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    expected = logits(model, tokenizer, TEXTS)
    assert expected.std(axis=0).min() > 1e-3
    opened, opened_tokenizer = reloaded(smaller, small_tokenizer, folder)
    assert opened_tokenizer.get_vocab() == small_tokenizer.get_vocab()
    for other in (smaller, opened):
        assert np.array_equal(logits(other, opened_tokenizer, TEXTS), expected)
    return smaller, small_tokenizer


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_of_encoders_stay(family, tokenizer, tmp_path):
    smaller, _ = check(encoder(family, tokenizer), tokenizer, tmp_path)
    assert smaller.get_input_embeddings().weight.shape[0] == smaller.config.vocab_size


@pytest.mark.parametrize("name", STUDENTS)
def test_logits_of_students_stay(name, teacher, tokenizer, tmp_path):
    check(student(name, teacher), tokenizer, tmp_path)


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_logits_stay_with_a_student_s_own_tokenizer(kind, teacher, tmp_path):
    own = train_tokenizer(VocabularyConfig(kind=kind, size=200), [*toy_texts(200)[0], *OTHERS], max_length=MAX_LENGTH)
    config = StudentConfig(**SHAPES["bag with n-grams"], vocabulary=VocabularyConfig(kind=kind, size=200))
    check(shaken(build_student(config, teacher, own)), own, tmp_path)


def test_only_rows_of_tokens_go(teacher, tokenizer):
    """Those of hashed n-grams stay, and so does what they hash."""
    for name, table in (("linear", "weights"), ("bag with n-grams", "ngram_embeddings")):
        model = student(name, teacher)
        smaller, small, report = shrink_vocabulary(model, tokenizer, TEXTS, max_length=MAX_LENGTH)
        rows = getattr(model, table).weight[-model.config.buckets :]
        assert torch.equal(getattr(smaller, table).weight[-model.config.buckets :], rows)
        assert smaller.config.hashed_vocab == report.before
        assert smaller.hashed_ids.dtype == torch.int32
        tokens = small.convert_ids_to_tokens(range(report.after))
        assert smaller.hashed_ids[:, 0].tolist() == tokenizer.convert_tokens_to_ids(tokens)


def test_a_second_time_the_first_ids_are_hashed(teacher, tokenizer):
    model = student("bag with n-grams", teacher)
    once, small, _ = shrink_vocabulary(model, tokenizer, TEXTS, max_length=MAX_LENGTH)
    twice, smaller, report = shrink_vocabulary(once, small, TEXTS[:1], max_length=MAX_LENGTH)
    assert len(smaller) < len(small) == report.before
    assert twice.config.hashed_vocab == len(tokenizer)
    assert np.array_equal(logits(twice, smaller, TEXTS[:1]), logits(model, tokenizer, TEXTS[:1]))


def test_the_graph_says_the_same_also_in_int8(teacher, tokenizer, tmp_path):
    model = student("bag with n-grams", teacher)
    smaller, small_tokenizer = shrunken(model, tokenizer)
    export_onnx(smaller, tmp_path / "fp32.onnx", opset=18)
    dynamic_int8(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", find_profile("cpu").int8)
    expected = logits(model, tokenizer, TEXTS)
    for name, error in (("fp32", 1e-4), ("int8", 0.2 * np.abs(expected).max())):
        ids, pad = encode(small_tokenizer, TEXTS, MAX_LENGTH), small_tokenizer.pad_token_id
        assert np.abs(graph_logits(tmp_path / f"{name}.onnx", ids, pad_token_id=pad) - expected).max() < error


def test_a_linear_student_is_explained_as_before_with_one_lookup_more(teacher, tokenizer, tmp_path):
    """Contributions of words and of the n-grams that they share; Gather, Squeeze and Cast of the numbers to hash."""
    model = student("linear", teacher)
    found, nodes = [], []
    for name, pair in (("before", (model, tokenizer)), ("after", shrunken(model, tokenizer))):
        folder = tmp_path / name
        folder.mkdir()
        export_onnx(copy.deepcopy(pair[0]), folder / "model.onnx", opset=18)
        nodes.append(Counter(node.op_type for node in onnx.load(folder / "model.onnx").graph.node))
        reloaded(*pair, folder)
        explained = ExplainedModel(write_manifest(folder, manifest(teacher.labels)))
        tokens = explained.encode(TEXTS[1])
        found.append(answer(Reading.of(explained, tokens, join(TEXTS[1], word_spans(TEXTS[1])))).parts)
    assert (nodes[1] - nodes[0], nodes[0] - nodes[1]) == ({"Gather": 1, "Squeeze": 1, "Cast": 1}, Counter())
    assert found[1].words == pytest.approx(found[0].words, abs=1e-4)
    assert found[1].base == pytest.approx(found[0].base, abs=1e-4)
    assert found[0].words.std() > 1e-2


def shrunken(model, tokenizer):
    return shrink_vocabulary(model, tokenizer, TEXTS, max_length=MAX_LENGTH)[:2]


def manifest(labels):
    return Manifest(
        name="linear-fp32",
        role="student",
        kind="linear",
        precision="fp32",
        task=TaskKind.SINGLE_LABEL,
        labels=list(labels),
        calibration=Calibration(),
        max_length=MAX_LENGTH,
        inputs=["input_ids", "attention_mask"],
        runtime="onnxruntime",
        providers=["CPUExecutionProvider"],
        target="cpu",
    )


def test_the_word_cache_works_with_the_smaller_tokenizer(teacher, tokenizer, tmp_path):
    _, smaller, _ = shrink_vocabulary(student("bag", teacher), tokenizer, TEXTS, max_length=MAX_LENGTH)
    smaller.save_pretrained(tmp_path)
    compact_tokenizer(tmp_path / "tokenizer.json")
    encoder = open_encoder(tmp_path / "tokenizer.json", MAX_LENGTH)
    assert isinstance(encoder, CachedTokenizer)
    texts = [*TEXTS, *OTHERS]
    assert [encoder.ids(text) for text in texts] == encode(smaller, texts, MAX_LENGTH)


def test_the_report_counts_unknown_tokens_and_changed_texts(teacher, tokenizer):
    """``awful`` is spelled with five characters; 日 was unknown before and after."""
    _, _, report = shrink_vocabulary(
        student("cnn", teacher), tokenizer, TEXTS, max_length=MAX_LENGTH,
        measured={"validation": TEXTS[:1], "test": ["awful film 日", "film 日 日 日"], "empty": []},
    )  # fmt: skip
    assert report.splits == {
        "validation": SplitTokens(1, 4, 4, 0, 0, 0),
        "test": SplitTokens(2, 7, 11, 4, 4, 1),
        "empty": SplitTokens(0, 0, 0, 0, 0, 0),
    }
    assert report.as_dict()["splits"]["test"]["texts_changed"] == 1
    assert VocabularyReport(2000, 1000, {"test": SplitTokens(2, 7, 11, 4, 4, 1)}).words() == (
        "1,000 of 2,000 tokens stay. On test, 36 % of the tokens are unknown (before: 57 %), and 1 of 2 texts "
        "are split differently."
    )


def test_the_same_texts_give_the_same_files(teacher, tokenizer, tmp_path):
    for number, order in enumerate((TEXTS, TEXTS[::-1])):
        model, small, _ = shrink_vocabulary(student("bag", teacher), tokenizer, order, max_length=MAX_LENGTH)
        reloaded(model, small, tmp_path / str(number))
    for file in ("model.safetensors", "tokenizer.json", "config.json", "tokenizer_config.json"):
        assert (tmp_path / "0" / file).read_bytes() == (tmp_path / "1" / file).read_bytes()


def padded_last():
    """A tokenizer whose padding token has an id after those of words."""
    from tests.unit.test_compress_vocabulary import SPECIAL, models, wrap

    tokens = ["gone", "film", "the", *SPECIAL.values(), "never"]
    return wrap(models.WordPiece({token: index for index, token in enumerate(tokens)}, unk_token="[UNK]"))


def test_positions_that_depend_on_the_padding_s_id():
    """RoBERTa counts positions from it; BERT does not, and gets a new id for its padding."""
    tokenizer = padded_last()
    roberta = encoder("roberta", tokenizer, bos_token_id=5, eos_token_id=6)
    with pytest.raises(NotApplicable, match="roberta counts positions from the id of its padding token, 3"):
        shrink_vocabulary(roberta, tokenizer, ["the film"], max_length=8)
    model = encoder("bert", tokenizer, bos_token_id=0, sep_token_id=6)
    smaller, small, _ = shrink_vocabulary(model, tokenizer, ["the film"], max_length=8)
    config = smaller.config
    assert (config.pad_token_id, config.bos_token_id, config.sep_token_id, config.vocab_size) == (3, 0, 6, 7)
    assert set(tokenizer.get_vocab()) - set(small.get_vocab()) == {"never"}


def test_what_cannot_shrink_says_why(teacher, tokenizer):
    model = student("bag", teacher)
    small = shrunken(model, tokenizer)
    rows = small[0].config.vocab_size
    with pytest.raises(NotApplicable, match=f"not worth shrinking: {rows} of {rows} tokens are needed"):
        shrink_vocabulary(*small, TEXTS, max_length=MAX_LENGTH)
    with pytest.raises(ConfigError, match="needs texts"):
        shrink_vocabulary(model, tokenizer, [], max_length=8)
    with pytest.raises(InvalidArtifact, match="the model only 50 token vectors"):
        shrink_vocabulary(encoder("bert", FiftyTokens(tokenizer)), tokenizer, TEXTS, max_length=8)


class FiftyTokens:
    """Looks smaller than it is to who builds a model for it."""

    def __init__(self, tokenizer):
        self.pad_token_id = tokenizer.pad_token_id

    def __len__(self):
        return 50


def test_a_table_that_nobody_named_is_found(teacher, tokenizer):
    model = student("bag", teacher)
    model.token_tables = ()
    with pytest.raises(InvalidArtifact, match="gives other logits to a text whose tokens all stay"):
        shrink_vocabulary(model, tokenizer, TEXTS, max_length=MAX_LENGTH)
