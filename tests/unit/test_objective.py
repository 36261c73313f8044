"""The objective: how the parts add up, what gets gradients, feature losses on real models, mistakes."""

import pytest

torch = pytest.importorskip("torch")

from edgekd.batches import NO_LABEL, predict_logits  # noqa: E402
from edgekd.config import FeatureLossConfig, StudentConfig, VocabularyConfig  # noqa: E402
from edgekd.errors import ConfigError  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.student.bag import BagConfig, BagForSequenceClassification  # noqa: E402
from edgekd.student.cut import cut_layers  # noqa: E402
from edgekd.student.feature_losses import hidden_loss, relation_loss  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.loss_rules import check_losses  # noqa: E402
from edgekd.student.losses import soft_target_loss, true_label_loss  # noqa: E402
from edgekd.student.names import STUDENT_KINDS  # noqa: E402
from edgekd.student.objective import DistillationObjective, LabelObjective  # noqa: E402
from edgekd.student.sentence_vectors import SentenceVectors  # noqa: E402
from edgekd.student.taps import Wanted, record  # noqa: E402
from edgekd.tasks import TaskKind  # noqa: E402
from edgekd.teacher.load import load_classifier  # noqa: E402
from tests.toys import make_classifier  # noqa: E402
from tests.unit.test_feature_losses import classifier  # noqa: E402

SINGLE, MULTI, REGRESSION = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION
NAN = float("nan")
LAYER_KINDS = ("hidden", "attention", "relations")
SENTENCE_KINDS = ("cosine", "contrastive", "rkd")
IDS = torch.tensor([[2, 9, 7, 12, 3], [2, 8, 3, 0, 0], [2, 30, 31, 3, 0], [2, 17, 5, 44, 3]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}
LABELS = {
    SINGLE: torch.tensor([0, 2, NO_LABEL, 1]),
    MULTI: torch.tensor([[1.0, 0, 0], [1, 1, 0], [NAN, NAN, NAN], [0, 0, 0]]),
    REGRESSION: torch.tensor([0.5, -1.0, NAN, 2.0]),
}


def teacher_logits(outputs=3):
    return torch.randn(4, outputs, generator=torch.Generator().manual_seed(5))


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.train()


def bag(outputs=3):
    torch.manual_seed(1)
    config = BagConfig(vocab_size=60, embedding_dim=8, hidden_dim=6, dropout=0.0, num_labels=outputs)
    return BagForSequenceClassification(config).train()


def config(kind="bag", *features, **fields):
    return StudentConfig(kind=kind, feature_losses=[FeatureLossConfig(**f) for f in features], **fields)


def transformer_pair(**sizes):
    return without_dropout(classifier(**({"layers": 2, "seed": 1} | sizes))), classifier(layers=4, seed=2)


def objective(settings, student, teacher=None, task=SINGLE, sample=INPUTS):
    return DistillationObjective(task, settings, student=student, teacher=teacher, sample=sample)


# How the parts add up


def test_the_loss_is_the_weighted_sum_of_its_parts():
    student, t = bag(), teacher_logits()
    loss, outputs = objective(config(alpha=0.3, beta=0.6, temperature=2.0), student)(
        student, INPUTS, labels=LABELS[SINGLE], teacher_logits=t
    )
    expected = 0.3 * true_label_loss(outputs.logits, LABELS[SINGLE]) + 0.6 * soft_target_loss(outputs.logits, t, 2.0)
    assert loss.item() == pytest.approx(expected.mean().item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["soft", "hard", "mse", "huber", "dkd", "dist"])
def test_beta_0_is_the_loss_on_true_labels_and_needs_no_teacher(kind):
    student = bag()
    loss, _ = objective(config(loss=kind, alpha=1.0, beta=0.0, label_smoothing=0.1), student)(
        student, INPUTS, labels=LABELS[SINGLE]
    )
    plain, _ = LabelObjective(SINGLE, 0.1)(student, INPUTS, labels=LABELS[SINGLE])
    assert loss.item() == pytest.approx(plain.item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["soft", "hard", "mse", "huber", "dist"])
def test_alpha_0_ignores_the_true_labels(kind):
    student = bag()
    goal = objective(config(loss=kind, alpha=0.0, beta=1.0), student)
    one, other = (
        goal(student, INPUTS, labels=torch.full((4,), label), teacher_logits=teacher_logits())[0]
        for label in (1, NO_LABEL)
    )
    assert one.item() == other.item()


@pytest.mark.parametrize("task", [SINGLE, MULTI, REGRESSION])
@pytest.mark.parametrize("kind", ["soft", "hard", "mse", "huber"])
def test_a_text_without_label_has_only_its_teacher_part(task, kind):
    outputs = 1 if task is REGRESSION else 3
    student, t = bag(outputs), teacher_logits(outputs)
    row = {name: value[2:3] for name, value in INPUTS.items()}
    loss, _ = objective(config(loss=kind, alpha=0.7, beta=0.5), student, task=task)(
        student, row, labels=LABELS[task][2:3], teacher_logits=t[2:3]
    )
    alone, _ = objective(config(loss=kind, alpha=0.0, beta=0.5), student, task=task)(
        student, row, labels=LABELS[task][2:3], teacher_logits=t[2:3]
    )
    assert loss.item() == alone.item() > 0


def test_curves_move_alpha_and_temperature_and_beta_keeps_the_sum():
    goal = objective(
        config(
            alpha=0.2, beta=0.8, alpha_curve="linear", alpha_end=1.0,
            temperature=4.0, temperature_curve="cosine", temperature_end=1.0,
        ),
        bag(),
    )  # fmt: skip
    assert goal.weights(0.0) == pytest.approx((0.2, 0.8, 4.0))
    assert goal.weights(0.5) == pytest.approx((0.6, 0.4, 2.5))
    assert goal.weights(1.0) == pytest.approx((1.0, 0.0, 1.0))


def test_progress_reaches_the_loss():
    student = bag()
    goal = objective(config(alpha=0.0, beta=1.0, alpha_curve="linear", alpha_end=1.0), student)
    end, _ = goal(student, INPUTS, labels=LABELS[SINGLE], progress=1.0)  # beta is 0: no teacher logits are needed
    plain, _ = LabelObjective(SINGLE)(student, INPUTS, labels=LABELS[SINGLE])
    assert end.item() == pytest.approx(plain.item(), rel=1e-6)


def test_sample_weights_change_the_teacher_part_only():
    student, t = bag(), teacher_logits()
    losses = {
        (alpha, beta, kind): objective(config(alpha=alpha, beta=beta, sample_weights=kind), student)(
            student, INPUTS, labels=LABELS[SINGLE], teacher_logits=t
        )[0].item()
        for alpha, beta in ((1.0, 0.0), (0.0, 1.0))
        for kind in ("equal", "teacher-confidence", "student-uncertainty")
    }
    assert len({value for (alpha, _, _), value in losses.items() if alpha}) == 1
    assert len({value for (_, beta, _), value in losses.items() if beta}) == 3


def test_evaluation_is_the_plain_loss_without_the_teacher():
    student, teacher = transformer_pair()
    goal = objective(config("transformer", {"kind": "hidden"}, label_smoothing=0.2), student, teacher)
    calls = []
    teacher.register_forward_hook(lambda *_: calls.append(1))
    loss, _ = goal(student.eval(), INPUTS, labels=LABELS[SINGLE])
    plain, _ = LabelObjective(SINGLE)(student, INPUTS, labels=LABELS[SINGLE])
    assert loss.item() == plain.item()
    assert not calls


def test_missing_teacher_logits_are_not_taken_for_no_teacher():
    student = bag()
    with pytest.raises(ValueError, match="no teacher logits"):
        objective(config(), student)(student, INPUTS, labels=LABELS[SINGLE])


@pytest.mark.parametrize("task", [SINGLE, MULTI, REGRESSION])
def test_a_few_steps_lower_the_loss(task):
    outputs = 1 if task is REGRESSION else 3
    student, t = bag(outputs), teacher_logits(outputs)
    goal = objective(config(alpha=0.2, beta=0.8), student, task=task)
    optimizer = torch.optim.AdamW(student.parameters(), lr=0.02)
    losses = []
    for _ in range(15):
        loss, _ = goal(student, INPUTS, labels=LABELS[task], teacher_logits=t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


# Feature losses


@pytest.mark.parametrize("kind", [*LAYER_KINDS, *SENTENCE_KINDS])
def test_gradients_reach_student_and_projections_but_not_the_teacher(kind):
    wider = {"width": 8} if kind != "attention" else {}
    student, teacher = transformer_pair(**wider)
    goal = objective(config("transformer", {"kind": kind}), student, teacher)
    loss, _ = goal(student, INPUTS, labels=LABELS[SINGLE], teacher_logits=teacher_logits(), features_only=True)
    loss.backward()
    assert student.get_input_embeddings().weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())
    projections = list(goal.parameters())
    assert len(projections) == (2 if kind in {"hidden", "cosine", "contrastive"} else 0)
    assert all(parameter.grad.abs().sum() > 0 for parameter in projections)


def test_only_projections_are_saved_and_they_start_the_same_everywhere():
    student, teacher = transformer_pair(width=8)
    settings = config("transformer", {"kind": "hidden"}, {"kind": "rkd"}, {"kind": "cosine"}, seed=3)
    torch.manual_seed(100)
    before = torch.get_rng_state()
    first = objective(settings, student, teacher).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(200)
    second = objective(settings, student, teacher).state_dict()
    assert {name: tuple(value.shape) for name, value in first.items()} == {
        "features.projections.0.weight": (16, 8),
        "features.projections.0.bias": (16,),
        "features.projections.2.weight": (16, 8),
        "features.projections.2.bias": (16,),
    }
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", ["hidden", "attention", "relations", "cosine", "rkd"])
def test_a_student_equal_to_its_teacher_has_no_feature_loss(kind):
    teacher = classifier(layers=3)
    student = without_dropout(cut_layers(teacher, [0, 1, 2]))
    goal = objective(config("transformer", {"kind": kind}), student, teacher)
    loss, _ = goal(student, INPUTS, labels=LABELS[SINGLE], features_only=True)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        student.get_input_embeddings().weight.add_(torch.randn(60, 16))
    assert goal(student, INPUTS, labels=LABELS[SINGLE], features_only=True)[0].item() > 1e-4


@pytest.mark.parametrize("kind", [*LAYER_KINDS, *SENTENCE_KINDS])
def test_padding_does_not_change_the_loss(kind):
    student, teacher = transformer_pair()
    goal = objective(config("transformer", {"kind": kind}), student, teacher)
    longer = {name: torch.cat([value, torch.zeros(4, 6, dtype=torch.long)], dim=1) for name, value in INPUTS.items()}
    losses = [
        goal(student, inputs, labels=LABELS[SINGLE], teacher_logits=teacher_logits())[0].item()
        for inputs in (INPUTS, longer)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_features_are_added_with_their_weights():
    student, teacher = transformer_pair()
    t = teacher_logits()

    def loss(*features, **options):
        goal = objective(config("transformer", *features), student, teacher)
        return goal(student, INPUTS, labels=LABELS[SINGLE], teacher_logits=t, **options)[0].item()

    hidden, rkd = {"kind": "hidden"}, {"kind": "rkd"}
    parts = [loss(part, features_only=True) for part in (hidden, rkd)]
    both = loss(hidden | {"weight": 3.0}, rkd | {"weight": 0.5}, features_only=True)
    assert both == pytest.approx(3 * parts[0] + 0.5 * parts[1], rel=1e-5)
    assert loss(hidden) == pytest.approx(loss() + parts[0], rel=1e-5)


def test_layers_are_averaged_so_the_weight_does_not_depend_on_their_number():
    student, teacher = transformer_pair()
    goal = objective(config("transformer", {"kind": "hidden", "mapping": [0, 3]}), student, teacher)
    loss, _ = goal(student, INPUTS, labels=LABELS[SINGLE], features_only=True)
    ours, theirs = (model(**INPUTS, output_hidden_states=True).hidden_states[1:] for model in (student, teacher))
    parts = [hidden_loss(ours[s], theirs[t], INPUTS["attention_mask"]).item() for s, t in ((0, 0), (1, 3))]
    assert loss.item() == pytest.approx(sum(parts) / 2, rel=1e-5)


def test_relations_are_the_sum_over_queries_keys_and_values():
    student, teacher = transformer_pair(layers=1)
    goal = objective(config("transformer", {"kind": "relations", "mapping": [2], "heads": 4}), student, teacher)
    loss, _ = goal(student, INPUTS, labels=LABELS[SINGLE], features_only=True)
    with (
        record(student, Wanted(attention=frozenset({0}))) as ours,
        record(teacher, Wanted(attention=frozenset({2}))) as t,
    ):
        student(**INPUTS)
        teacher(**INPUTS)
    pairs = ((ours.query[0], t.query[2]), (ours.key[0], t.key[2]), (ours.value[0], t.value[2]))
    expected = sum(relation_loss(a, b, INPUTS["attention_mask"], 4).item() for a, b in pairs)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_teacher_runs_in_evaluation_mode_and_only_for_features():
    student, teacher = transformer_pair()
    teacher.train()
    modes = []
    teacher.register_forward_hook(lambda module, *_: modes.append((module.training, torch.is_grad_enabled())))
    t = teacher_logits()
    objective(config("transformer"), student, teacher)(student, INPUTS, labels=LABELS[SINGLE], teacher_logits=t)
    assert modes == []
    goal = objective(config("transformer", {"kind": "rkd"}), student, teacher)
    teacher.train()
    goal(student, INPUTS, labels=LABELS[SINGLE], teacher_logits=t)
    assert modes == [(False, False)]


def test_a_sentence_vector_of_the_teacher_is_computed_once_for_each_text():
    student, teacher = bag(), classifier(seed=2)
    goal = objective(config("bag", {"kind": "cosine"}), student, teacher)
    texts = []
    teacher.register_forward_hook(lambda _, __, kwargs, ___: texts.append(len(kwargs["input_ids"])), with_kwargs=True)

    def loss(rows):
        inputs = {name: value[rows] for name, value in INPUTS.items()}
        return goal(student, inputs, labels=LABELS[SINGLE][rows], features_only=True)[0].item()

    alone = [loss([row]) for row in (1, 3)]
    assert texts == [1, 1]
    together = loss([3, 0, 1, 2])  # two are known, two are not
    assert texts == [1, 1, 2]
    assert loss([1, 3]) == pytest.approx(sum(alone) / 2, rel=1e-5)
    assert texts == [1, 1, 2]
    fresh = objective(config("bag", {"kind": "cosine"}), student, teacher)
    fresh.load_state_dict(goal.state_dict())
    expected, _ = fresh(student, INPUTS, labels=LABELS[SINGLE], features_only=True)
    assert together == pytest.approx(expected.item(), rel=1e-5)


def test_sentence_vectors_beyond_the_memory_limit_are_computed_again():
    teacher = classifier(seed=2)
    vectors = SentenceVectors(teacher, limit_bytes=2 * 16 * 4)
    first = vectors(**INPUTS)
    texts = []
    teacher.register_forward_hook(lambda _, __, kwargs, ___: texts.append(len(kwargs["input_ids"])), with_kwargs=True)
    assert torch.allclose(vectors(**INPUTS), first, atol=1e-6)
    assert texts == [2]


def test_a_bag_learns_from_the_teachers_sentence_vectors():
    student, teacher = bag(), classifier()
    goal = objective(config("bag", *({"kind": kind} for kind in SENTENCE_KINDS)), student, teacher)
    optimizer = torch.optim.AdamW([*student.parameters(), *goal.parameters()], lr=0.02)
    losses = []
    for _ in range(15):
        loss, _ = goal(student, INPUTS, labels=LABELS[SINGLE], features_only=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.fixture(scope="module")
def toy_teacher(tmp_path_factory):
    folder = make_classifier(tmp_path_factory.mktemp("teacher"), labels=("bad", "good", "so-so"), layers=3)
    return load_classifier(folder, 32, Silent())


@pytest.mark.parametrize("kind", STUDENT_KINDS)
def test_what_is_allowed_works_for_every_kind_of_student(kind, toy_teacher):
    allowed = SENTENCE_KINDS if kind != "linear" else ()
    if kind == "transformer":
        allowed = (*LAYER_KINDS, *SENTENCE_KINDS)
    shape = {} if kind in {"linear", "transformer"} else {"embedding_dim": 8}
    settings = config(kind, *({"kind": feature} for feature in allowed), seed=1, **shape)
    student = build_student(settings, toy_teacher).train()
    goal = objective(settings, student, toy_teacher.model)
    loss, outputs = goal(student, INPUTS, labels=LABELS[SINGLE], teacher_logits=teacher_logits())
    loss.backward()
    assert outputs.logits.shape == (4, 3)
    assert len(goal.describe()) == 2 + len(allowed)
    assert all(parameter.grad.isfinite().all() for parameter in [*student.parameters(), *goal.parameters()])


def test_auto_is_decided_on_the_sample_and_shown():
    teacher = classifier(layers=4, seed=2)
    student = without_dropout(cut_layers(teacher, [0, 1]))
    goal = objective(config("transformer", {"kind": "hidden", "mapping": "auto"}), student, teacher)
    assert goal.describe()[-1] == (
        "features: hidden (weight 1); student layer <- teacher layer: 0 <- 0 (CKA 1.00), 1 <- 1 (CKA 1.00)"
    )
    assert student.training
    with pytest.raises(ValueError, match="needs a sample"):
        objective(config("transformer", {"kind": "hidden", "mapping": "auto"}), student, teacher, sample=None)


def test_everything_is_described():
    student, teacher = transformer_pair(width=8, heads=4)
    goal = objective(
        config(
            "transformer", {"kind": "hidden", "weight": 0.5, "mapping": "last"}, {"kind": "relations", "heads": 2},
            {"kind": "cosine"}, alpha=0.1, beta=0.9, alpha_curve="cosine", alpha_end=0.5, label_smoothing=0.05,
            sample_weights="teacher-confidence",
        ),
        student,
        teacher,
    )  # fmt: skip
    assert goal.describe() == [
        "true labels: cross entropy, weight 0.1 to 0.5 (cosine), label smoothing 0.05",
        "teacher: soft, weight 0.9 to 0.5 (cosine), temperature 2, texts weighted by teacher-confidence",
        "features: hidden (weight 0.5); student layer <- teacher layer: 0 <- 2, 1 <- 3; learned projection 8 -> 16",
        "features: relations (weight 1); student layer <- teacher layer: 0 <- 1, 1 <- 3; 2 relation heads",
        "features: cosine (weight 1); sentence vectors; learned projection 8 -> 16",
    ]
    assert LabelObjective(MULTI, 0.1).describe() == ["true labels: binary cross entropy, label smoothing 0.1"]


# Without rkd: these random models give all texts nearly the same vector, closer than bf16 can tell.
@pytest.mark.parametrize("kind", ["hidden", "attention", "relations", "cosine", "contrastive"])
def test_half_precision_gives_nearly_the_same_loss(kind):
    student, teacher = transformer_pair(**({"width": 8} if kind != "attention" else {}))
    goal = objective(config("transformer", {"kind": kind, "weight": 2.0}), student, teacher)
    types = set()
    for projection in goal.features.projections.values():
        projection.register_forward_hook(lambda _, inputs, output: types.update((inputs[0].dtype, output.dtype)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low, outputs = goal(student, INPUTS, labels=LABELS[SINGLE], teacher_logits=teacher_logits())
    assert outputs.logits.dtype == torch.bfloat16
    assert low.dtype == torch.float32
    assert types == ({torch.float32} if len(goal.features.projections) else set())
    low.backward()
    full, _ = goal(student, INPUTS, labels=LABELS[SINGLE], teacher_logits=teacher_logits())
    assert low.item() == pytest.approx(full.item(), rel=0.01)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_it_runs_on_a_gpu_with_a_teacher_that_is_still_on_the_cpu():
    student, teacher = transformer_pair(width=8)
    goal = objective(
        config("transformer", *({"kind": k} for k in ("hidden", "relations", *SENTENCE_KINDS))), student, teacher
    )
    arguments = {"labels": LABELS[SINGLE], "teacher_logits": teacher_logits()}
    expected, _ = goal(student, INPUTS, **arguments)
    goal.cuda()
    student.cuda()
    loss, _ = goal(student, {k: v.cuda() for k, v in INPUTS.items()}, **{k: v.cuda() for k, v in arguments.items()})
    assert loss.item() == pytest.approx(expected.item(), rel=1e-3)
    loss.backward()


def test_the_student_is_left_without_hooks_so_that_it_can_be_evaluated():
    student, teacher = transformer_pair()
    goal = objective(config("transformer", {"kind": "relations"}), student, teacher)
    goal(student, INPUTS, labels=LABELS[SINGLE], teacher_logits=teacher_logits())
    assert not any(m._forward_hooks or m._forward_pre_hooks for model in (student, teacher) for m in model.modules())
    assert predict_logits(student, [[2, 5, 3]]).shape == (1, 3)


# Mistakes


def test_attention_with_other_heads_names_relations():
    student, teacher = transformer_pair(heads=4)
    with pytest.raises(ConfigError, match="student has 4 and the teacher 2") as error:
        objective(config("transformer", {"kind": "attention"}), student, teacher)
    assert "relations" in error.value.hint
    objective(config("transformer", {"kind": "relations"}), student, teacher)


def test_relation_heads_must_divide_both_widths():
    student, teacher = transformer_pair()
    with pytest.raises(ConfigError, match="heads: 5 does not divide 16, a width of the student's"):
        objective(config("transformer", {"kind": "relations", "heads": 5}), student, teacher)


def test_a_teacher_without_layers_is_a_clear_error():
    student, _ = transformer_pair()
    with pytest.raises(ConfigError, match=r"teacher \(type 'edgekd-bag'\) has no transformer layers"):
        objective(config("transformer", {"kind": "hidden"}), student, bag())


def test_threads_over_several_gpus_are_refused():
    student, teacher = transformer_pair()
    goal = objective(config("transformer", {"kind": "hidden"}), student, teacher)
    with pytest.raises(ConfigError, match="DataParallel"):
        goal(torch.nn.DataParallel(student).train(), INPUTS, labels=LABELS[SINGLE], teacher_logits=teacher_logits())


def test_programming_errors_are_told_apart():
    student, _ = transformer_pair()
    with pytest.raises(ValueError, match="need the teacher"):
        objective(config("transformer", {"kind": "hidden"}), student)
    with pytest.raises(ValueError, match="features_only"):
        objective(config("transformer"), student)(student, INPUTS, labels=LABELS[SINGLE], features_only=True)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        (MULTI, config(loss="dkd"), "loss 'dkd' compares classes that exclude each other, but the task is multi-label"),
        (REGRESSION, config(loss="dist"), "loss 'dist' .* the task is regression"),
        (REGRESSION, config(label_smoothing=0.1), "label_smoothing 0.1 needs labels"),
        (REGRESSION, config(sample_weights="teacher-confidence"), "sample_weights 'teacher-confidence' needs prob"),
        (
            SINGLE,
            config(alpha_curve="linear", alpha_end=1.5),
            r"alpha_end 1.5 is more than alpha \+ beta = 1,",
        ),
        (
            SINGLE,
            config(loss="mse", temperature_curve="linear", temperature_end=1.0),
            "temperature_curve has no effect, because loss 'mse'",
        ),
        (
            REGRESSION,
            config(temperature_curve="linear", temperature_end=1.0),
            "loss 'soft' for a regression task has no temperature",
        ),
        (
            SINGLE,
            config("bag", {"kind": "attention"}),
            "feature loss 'attention' .* kind 'bag' has none. .*: cosine, contrastive, rkd",
        ),
        (SINGLE, config("linear", {"kind": "hidden"}), "of kind 'linear' has none. Feature losses of this kind: none"),
        (SINGLE, config("linear", {"kind": "rkd"}), "'linear' has none to train"),
        (
            SINGLE,
            config("cnn", {"kind": "cosine"}, vocabulary=VocabularyConfig()),
            "read the same tokens, but it has an own vocabulary",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_training(task, settings, message):
    with pytest.raises(ConfigError, match=message):
        check_losses(task, settings)


def test_the_defaults_fit_every_task():
    for task in (SINGLE, MULTI, REGRESSION):
        check_losses(task, config())
    check_losses(SINGLE, config(alpha=0.7, beta=0.1, alpha_curve="linear", alpha_end=0.8))
    check_losses(SINGLE, config("transformer", *({"kind": kind} for kind in (*LAYER_KINDS, *SENTENCE_KINDS))))
