"""A narrower transformer: exact where it can be exact, close to the wide one elsewhere."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForSequenceClassification  # noqa: E402

from edgekd.config import StudentConfig  # noqa: E402
from edgekd.errors import ConfigError  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.projection import HEADS, Narrowing, narrow_config, sample_ids  # noqa: E402
from edgekd.student.projection_fit import Activations, learn_projection, pca_projection  # noqa: E402
from tests.students import make_teacher  # noqa: E402

NARROW = {"kind": "transformer", "layers": 2, "hidden_dim": 16}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("projection", ["pca", "learned"])
def test_every_family_gets_narrower_and_keeps_every_kind_of_weight(family, projection, tmp_path):
    teacher = make_teacher(tmp_path / "teacher", family=family)
    model = build_student(StudentConfig(projection=projection, **NARROW), teacher).eval()
    assert model.get_input_embeddings().weight.shape[1] == 16
    untouched = type(model)(model.config)
    torch.manual_seed(9)
    start = dict(untouched.named_parameters())
    for name, parameter in model.named_parameters():
        assert parameter.shape == start[name].shape
        # Nothing is left at the random or constant start of a new model.
        assert not torch.equal(parameter, start[name]) or not parameter.abs().sum() > 0, name
    model.save_pretrained(tmp_path / "student")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student").eval()
    ids = torch.tensor([[2, 9, 7, 3]])
    mask = torch.ones_like(ids)
    opened, kept = (network(input_ids=ids, attention_mask=mask).logits for network in (again, model))
    assert torch.allclose(opened, kept, atol=1e-6)


def test_an_electra_with_narrow_token_vectors_keeps_their_width(tmp_path):
    teacher = make_teacher(tmp_path, family="electra")  # vectors of 16, hidden size 32, two heads of 16
    with pytest.raises(ConfigError, match="Allowed: none"):
        build_student(StudentConfig(**NARROW), teacher)
    teacher.model.config.num_attention_heads = 4
    for layer in teacher.model.electra.encoder.layer:
        layer.attention.self.num_attention_heads, layer.attention.self.attention_head_size = 4, 8
    model = build_student(StudentConfig(**{**NARROW, "hidden_dim": 24}), teacher)
    assert model.get_input_embeddings().weight.shape[1] == 16
    assert tuple(model.electra.embeddings_project.weight.shape) == (24, 16)


def test_all_widths_shrink_together(teacher):
    model = build_student(StudentConfig(**NARROW), teacher)
    config = model.config
    assert (config.hidden_size, config.num_attention_heads, config.intermediate_size) == (16, 1, 32)
    assert config.num_hidden_layers == 2


def test_a_rotation_of_the_whole_space_changes_nothing_but_the_norms(teacher):
    """With as many dimensions as before the projection is a rotation, and only layer normalisation notices it."""
    model = teacher.model.eval()
    ids = sample_ids(teacher)
    narrow = Narrowing(model, model.config)
    activations = Activations.of(model, ids, narrow.norms)
    identity = narrow.weights(torch.eye(32), activations)
    for name, parameter in model.named_parameters():
        assert torch.allclose(identity[name], parameter, atol=1e-3), name


def test_the_principal_components_keep_most_of_the_activations(teacher):
    ids = sample_ids(teacher)
    names = Narrowing(teacher.model, teacher.model.config).norms
    activations = Activations.of(teacher.model.eval(), ids, names)
    rows = torch.cat(list(activations.after.values()))

    def lost(projection):
        return ((rows - rows @ projection @ projection.t()) ** 2).mean().item()

    projection = pca_projection(activations, 16)
    assert torch.allclose(projection.t() @ projection, torch.eye(16), atol=1e-5)
    random = torch.linalg.qr(torch.randn(32, 16, generator=torch.Generator().manual_seed(0))).Q
    assert lost(projection) < lost(random)
    assert lost(pca_projection(activations, 32)) == pytest.approx(0, abs=1e-9)


def test_the_heads_with_the_smallest_weights_go(tmp_path):
    teacher = make_teacher(tmp_path)
    with torch.no_grad():
        teacher.model.bert.encoder.layer[1].attention.self.value.weight[:16] *= 10
        teacher.model.bert.encoder.layer[2].attention.output.dense.weight[:, 16:] *= 10
    narrow = Narrowing(teacher.model, narrow_config(teacher.model.config, 16))
    kept = {key[0]: value.tolist() for key, value in narrow.kept.items() if key[1] == HEADS}
    assert kept["bert.encoder.layer.1"] == list(range(16))
    assert kept["bert.encoder.layer.2"] == list(range(16, 32))


def test_the_norms_are_fitted_to_the_projected_ones():
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(500, 6, generator=generator)
    norm = torch.nn.LayerNorm(6)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(6, generator=generator) + 0.5)
        norm.bias.copy_(torch.randn(6, generator=generator))
        activations = Activations({"n": before}, {"n": norm(before)})
        scale, shift = activations.fit_norm("n", torch.eye(6), norm.eps)
    assert torch.allclose(scale, norm.weight, atol=1e-4)
    assert torch.allclose(shift, norm.bias, atol=1e-4)


def test_a_learned_projection_is_never_worse_on_held_out_texts(teacher):
    model = teacher.model.eval()
    ids = sample_ids(teacher)
    config = narrow_config(model.config, 16)
    narrow = Narrowing(model, config)
    activations = Activations.of(model, ids, narrow.norms)
    start = pca_projection(activations, 16)
    learned = learn_projection(start, model, type(model)(config), narrow.weights, activations, ids)
    assert torch.allclose(learned.t() @ learned, torch.eye(16), atol=1e-4)
    held_out = ids[: len(ids) // 4]
    mask = torch.ones_like(held_out)

    def similarities(network):
        with torch.no_grad():
            vectors = network(input_ids=held_out, attention_mask=mask, output_hidden_states=True).hidden_states[-1]
            logits = network(input_ids=held_out, attention_mask=mask).logits
        return vectors, logits

    _, wanted = similarities(model)
    errors = []
    for projection in (start, learned):
        network = type(model)(config).eval()
        with torch.no_grad():
            network.load_state_dict(narrow.weights(projection, activations), strict=False)
        errors.append(((similarities(network)[1] - wanted) ** 2).mean().item())
    assert not torch.equal(start, learned)
    assert errors[1] < errors[0]
