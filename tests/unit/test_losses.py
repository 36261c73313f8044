"""Losses on logits against values computed by hand, and at their edges."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from edgekd.batches import NO_LABEL  # noqa: E402
from edgekd.student.curves import curve_value  # noqa: E402
from edgekd.student.decoupled import decoupled_loss, decoupled_parts  # noqa: E402
from edgekd.student.dist import correlation_distance, dist_loss  # noqa: E402
from edgekd.student.losses import (  # noqa: E402
    hard_labels_loss,
    hard_target_loss,
    label_loss,
    logit_huber_loss,
    logit_mse_loss,
    soft_labels_loss,
    soft_target_loss,
    teacher_part,
    true_label_loss,
    true_labels_loss,
    true_value_loss,
)
from edgekd.student.sample_weights import confidence, sample_weights, uncertainty  # noqa: E402
from edgekd.tasks import TaskKind  # noqa: E402

SINGLE, MULTI, REGRESSION = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION
LN2, LN3 = math.log(2), math.log(3)
# softmax([ln 3, 0]) = (3/4, 1/4); softmax([0, 0]) = (1/2, 1/2)
STUDENT = torch.tensor([[0.0, 0.0]])
TEACHER = torch.tensor([[LN3, 0.0]])
KL = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
NAN = float("nan")

numbers = st.floats(-8, 8, width=32)


CLASSES = st.integers(2, 5)


def logit_pairs(classes=CLASSES):
    """Student and teacher logits of one to four texts."""
    shapes = st.tuples(st.integers(1, 4), classes)
    return shapes.flatmap(
        lambda shape: st.tuples(
            *(
                st.lists(
                    st.lists(numbers, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
                ).map(torch.tensor)
                for _ in range(2)
            )
        )
    )


# Soft, hard, mse, huber


def test_soft_targets_by_hand_at_temperature_1():
    assert soft_target_loss(STUDENT, TEACHER, 1.0).item() == pytest.approx(KL, rel=1e-6)


def test_soft_targets_by_hand_at_temperature_2():
    # softmax([ln 9, 0] / 2) = softmax([ln 3, 0])
    teacher = torch.tensor([[math.log(9.0), 0.0]])
    assert soft_target_loss(STUDENT, teacher, 2.0).item() == pytest.approx(4 * KL, rel=1e-6)


def test_gradient_scale_does_not_vanish_with_temperature():
    norms = []
    for temperature in (1.0, 10.0):
        student = STUDENT.clone().requires_grad_()
        soft_target_loss(student, torch.tensor([[0.1, 0.0]]), temperature).sum().backward()
        norms.append(student.grad.norm().item())
    assert norms[1] == pytest.approx(norms[0], rel=0.05)


def test_hard_targets_are_the_teachers_choice():
    assert hard_target_loss(STUDENT, TEACHER).item() == pytest.approx(LN2)
    assert hard_target_loss(TEACHER, TEACHER).item() == pytest.approx(-math.log(0.75))


def test_mse_is_the_mean_over_labels():
    assert logit_mse_loss(STUDENT, TEACHER).item() == pytest.approx(LN3**2 / 2)


def test_huber_is_a_square_up_to_1_and_a_line_beyond():
    student = torch.zeros(3, 2)
    teacher = torch.tensor([[0.5, 0.0], [1.0, 0.0], [3.0, -3.0]])
    assert logit_huber_loss(student, teacher).tolist() == pytest.approx([0.125 / 2, 0.5 / 2, 2.5])


# True labels


def test_a_text_without_label_has_no_true_label_loss():
    both = torch.cat([STUDENT, STUDENT])
    for smoothing in (0.0, 0.1):
        assert true_label_loss(both, torch.tensor([1, NO_LABEL]), smoothing).tolist() == pytest.approx([LN2, 0])


def test_label_smoothing_by_hand():
    # 0.8 * -ln(3/4) + 0.2 * (-ln(3/4) - ln(1/4)) / 2
    expected = 0.8 * math.log(4 / 3) + 0.1 * (math.log(4 / 3) + math.log(4))
    assert true_label_loss(TEACHER, torch.tensor([0]), 0.2).item() == pytest.approx(expected, rel=1e-6)


def test_several_true_labels_by_hand():
    # sigmoid(ln 3) = 3/4, sigmoid(0) = 1/2
    loss = true_labels_loss(TEACHER, torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx((math.log(4 / 3) + LN2) / 2, rel=1e-6)


def test_smoothing_of_several_labels_moves_each_towards_a_half():
    # targets 0.9 and 0.1
    loss = true_labels_loss(TEACHER, torch.tensor([[1.0, 0.0]]), 0.2)
    first = 0.9 * math.log(4 / 3) + 0.1 * math.log(4)
    assert loss.item() == pytest.approx((first + LN2) / 2, rel=1e-6)


def test_a_row_of_nan_is_a_text_without_labels_and_gives_no_gradient():
    logits = torch.cat([TEACHER, TEACHER]).requires_grad_()
    loss = true_labels_loss(logits, torch.tensor([[1.0, 1.0], [NAN, NAN]]))
    loss.sum().backward()
    assert loss[1].item() == 0
    assert logits.grad[1].tolist() == [0, 0]
    assert logits.grad.isfinite().all()


def test_a_true_value_is_squared_and_nan_is_none():
    logits = torch.tensor([[2.0], [1.0]], requires_grad=True)
    loss = true_value_loss(logits, torch.tensor([5.0, NAN]))
    loss.sum().backward()
    assert loss.tolist() == [9, 0]
    assert logits.grad.squeeze(1).tolist() == [-6, 0]


# Multi-label


def test_soft_labels_by_hand():
    # teacher 3/4 and 1/2, student 1/2 and 1/2: only the first label differs, and the mean is over two
    assert soft_labels_loss(STUDENT, TEACHER, 1.0).item() == pytest.approx(KL / 2, rel=1e-6)
    teacher = torch.tensor([[math.log(9.0), 0.0]])
    assert soft_labels_loss(STUDENT, teacher, 2.0).item() == pytest.approx(4 * KL / 2, rel=1e-6)


def test_hard_labels_are_those_of_at_least_one_half():
    teacher = torch.tensor([[0.0, -0.1]])
    assert hard_labels_loss(torch.tensor([[LN3, LN3]]), teacher).item() == pytest.approx(
        (math.log(4 / 3) + math.log(4)) / 2, rel=1e-6
    )


def test_a_single_label_with_its_opposite_is_the_same_as_two_classes():
    # softmax([a, 0]) = sigmoid(a), so the Bernoulli divergence of one label is the KL of two classes
    student, teacher = torch.tensor([[-0.7], [2.0]]), torch.tensor([[1.3], [0.2]])
    zero = torch.zeros(2, 1)
    two = soft_target_loss(torch.cat([student, zero], 1), torch.cat([teacher, zero], 1), 3.0)
    assert soft_labels_loss(student, teacher, 3.0).tolist() == pytest.approx(two.tolist(), rel=1e-5)


@pytest.mark.parametrize("size", [40.0, 200.0])
def test_certain_logits_stay_finite(size):
    student = torch.tensor([[size, -size, 0.0]], requires_grad=True)
    teacher = torch.tensor([[-size, size, 0.0]])
    for kind in ("soft", "hard", "mse", "huber", "dkd", "dist"):
        loss = teacher_part(SINGLE, kind, student, teacher, torch.tensor([1]), temperature=1.0)
        assert torch.autograd.grad(loss.sum(), student)[0].isfinite().all(), kind
    for kind in ("soft", "hard"):
        loss = teacher_part(MULTI, kind, student, teacher, torch.zeros(1, 3), temperature=1.0)
        assert torch.autograd.grad(loss.sum(), student)[0].isfinite().all(), kind


# Regression


@pytest.mark.parametrize("kind", ["soft", "hard", "mse"])
def test_a_teachers_value_is_matched_by_its_square(kind):
    loss = teacher_part(
        REGRESSION, kind, torch.tensor([[1.0]]), torch.tensor([[4.0]]), torch.tensor([NAN]), temperature=7.0
    )
    assert loss.tolist() == [9]


def test_huber_of_a_value():
    loss = teacher_part(
        REGRESSION, "huber", torch.tensor([[1.0]]), torch.tensor([[4.0]]), torch.tensor([NAN]), temperature=7.0
    )
    assert loss.tolist() == [2.5]


# Decoupled


def test_decoupled_parts_by_hand():
    # teacher (1/2, 1/4, 1/4), student (1/4, 1/4, 1/2), target 0
    teacher, student = torch.log(torch.tensor([[0.5, 0.25, 0.25]])), torch.log(torch.tensor([[0.25, 0.25, 0.5]]))
    target, others = decoupled_parts(student, teacher, torch.tensor([0]))
    assert target.item() == pytest.approx(0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75), rel=1e-5)
    assert others.item() == pytest.approx(0.5 * math.log(0.5 * 3) + 0.5 * math.log(0.5 * 3 / 2), rel=1e-5)


@settings(max_examples=50)
@given(logit_pairs(), st.sampled_from([1.0, 2.0, 5.0]))
def test_decoupled_parts_add_up_to_the_divergence(pair, temperature):
    """KL = TCKD + (1 - q_y) NCKD, so these two weights give back the soft targets."""
    student, teacher = pair
    target = teacher.argmin(dim=-1)
    rest = 1 - torch.softmax(teacher / temperature, dim=-1).gather(1, target[:, None]).squeeze(1)
    decoupled = decoupled_loss(student, teacher, target, temperature=temperature, on_target=1.0, on_others=rest)
    assert torch.allclose(decoupled, soft_target_loss(student, teacher, temperature), rtol=1e-3, atol=1e-4)


def test_with_two_classes_there_are_no_others():
    _, others = decoupled_parts(STUDENT, TEACHER, torch.tensor([0]))
    assert others.item() == 0
    loss = decoupled_loss(STUDENT, TEACHER, torch.tensor([0]), temperature=1.0, on_target=1.0, on_others=2.0)
    assert loss.item() == pytest.approx(KL, rel=1e-6)


def test_the_target_is_the_true_label_or_else_the_teachers_choice():
    student, teacher = torch.tensor([[0.0, 1.0, 2.0]]).repeat(3, 1), torch.tensor([[0.0, 2.0, 1.0]]).repeat(3, 1)
    loss = teacher_part(
        SINGLE, "dkd", student, teacher, torch.tensor([NO_LABEL, 1, 0]), temperature=2.0, dkd_others=3.0
    )
    assert loss[0] == loss[1]
    assert abs(loss[1] - loss[2]) > 0.1


# DIST


def test_dist_by_hand():
    # Probabilities of three classes for two texts; the logarithms are the logits.
    teacher = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    student = torch.tensor([[0.5, 0.2, 0.3], [0.4, 0.4, 0.2]])

    def pearson(a, b):
        a, b = a - a.mean(), b - b.mean()
        return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())

    inter = [1 - pearson(student[i], teacher[i]) for i in range(2)]
    # Teacher's middle class is the same for both texts: nothing to match there.
    intra = (1 - pearson(student[:, 0], teacher[:, 0]) + 1 - pearson(student[:, 2], teacher[:, 2])) / 3
    loss = dist_loss(student.log(), teacher.log(), 1.0)
    assert loss.tolist() == pytest.approx([value + intra for value in inter], rel=1e-5)


def test_dist_is_multiplied_by_the_square_of_the_temperature():
    student, teacher = (
        torch.tensor([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]]),
        torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]]),
    )
    hot, cold = dist_loss(2 * student, 2 * teacher, 2.0), dist_loss(student, teacher, 1.0)
    assert hot.tolist() == pytest.approx((4 * cold).tolist(), rel=1e-5)


def test_dist_ignores_a_shift_and_scale_of_the_probabilities():
    teacher = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.2, 0.7, 0.1]])
    student = 0.5 * teacher + 0.5 / 3
    assert dist_loss(student.log(), teacher.log(), 1.0).abs().max() < 1e-5


def test_with_two_classes_only_the_intra_class_part_teaches():
    teacher = torch.tensor([[2.0, 0.0], [-1.0, 0.0]])
    student = torch.tensor([[0.5, 0.0], [1.0, 0.0]], requires_grad=True)
    inter = correlation_distance(student.softmax(-1), teacher.softmax(-1))
    assert inter.tolist() == pytest.approx([0, 2], abs=1e-6)
    assert torch.autograd.grad(inter.sum(), student)[0].abs().max() < 1e-5


def test_dist_of_one_text_has_no_intra_class_part():
    student, teacher = torch.tensor([[1.0, 0.0, 3.0]]), torch.tensor([[0.0, 2.0, 1.0]])
    inter = correlation_distance(student.softmax(-1), teacher.softmax(-1))
    assert dist_loss(student, teacher, 1.0).tolist() == inter.tolist()


def test_dist_of_constant_rows_is_finite():
    constant, other = torch.zeros(2, 3, requires_grad=True), torch.tensor([[0.0, 2.0, 1.0], [1.0, 0.0, 0.0]])
    loss = dist_loss(constant, other, 1.0)
    assert loss.tolist() == pytest.approx([2, 2])
    assert torch.autograd.grad(loss.sum(), constant)[0].isfinite().all()
    student = other.clone().requires_grad_()
    assert dist_loss(student, torch.zeros(2, 3), 1.0).tolist() == [0, 0]


# All of them


@settings(max_examples=40)
@given(logit_pairs(), st.sampled_from(["soft", "mse", "huber", "dkd", "dist"]), st.sampled_from([1.0, 4.0]))
def test_a_student_equal_to_its_teacher_costs_nothing_and_none_costs_less(pair, kind, temperature):
    student, teacher = pair
    labels = torch.zeros(len(student), dtype=torch.long)
    equal = teacher_part(SINGLE, kind, teacher, teacher, labels, temperature=temperature)
    assert equal.abs().max() < 1e-4
    assert teacher_part(SINGLE, kind, student, teacher, labels, temperature=temperature).min() > -1e-4


@settings(max_examples=30)
@given(logit_pairs(st.integers(1, 4)), st.sampled_from(["soft", "mse", "huber"]))
def test_several_labels_equal_to_the_teachers_cost_nothing(pair, kind):
    student, teacher = pair
    assert teacher_part(MULTI, kind, teacher, teacher, teacher, temperature=2.0).abs().max() < 1e-5
    assert teacher_part(MULTI, kind, student, teacher, teacher, temperature=2.0).min() > -1e-5


@pytest.mark.parametrize("kind", ["soft", "hard", "mse", "huber", "dkd"])
def test_a_texts_loss_does_not_depend_on_its_batch(kind):
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(4, 3, generator=generator), torch.randn(4, 3, generator=generator)
    labels = torch.tensor([0, 1, 2, NO_LABEL])
    together = teacher_part(SINGLE, kind, student, teacher, labels, temperature=2.0)
    alone = [
        teacher_part(SINGLE, kind, student[i : i + 1], teacher[i : i + 1], labels[i : i + 1], temperature=2.0).item()
        for i in range(4)
    ]
    assert together.tolist() == pytest.approx(alone, rel=1e-5)


def test_the_task_decides_the_true_label_loss():
    assert label_loss(SINGLE, TEACHER, torch.tensor([0])).item() == pytest.approx(math.log(4 / 3))
    assert label_loss(MULTI, TEACHER, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(
        (math.log(4 / 3) + LN2) / 2, rel=1e-6
    )
    assert label_loss(REGRESSION, torch.tensor([[2.0]]), torch.tensor([5.0])).item() == 9


# Curves and sample weights


@pytest.mark.parametrize(
    ("curve", "expected"), [("linear", [1.0, 2.0, 3.0, 5.0]), ("cosine", [1.0, 1 + 4 * 0.1464466, 3.0, 5.0])]
)
def test_curves_by_hand(curve, expected):
    values = [curve_value(curve, 1.0, 5.0, progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert values == pytest.approx(expected, rel=1e-6)


def test_a_constant_curve_stays_and_curves_stop_at_their_ends():
    assert curve_value("constant", 0.3, None, 0.7) == 0.3
    assert curve_value("linear", 1.0, 5.0, 1.5) == 5
    assert curve_value("cosine", 1.0, 5.0, -0.5) == 1


def test_confidence_and_uncertainty_by_hand():
    logits = torch.tensor([[LN3, 0.0], [0.0, 0.0]])
    assert confidence(SINGLE, logits).tolist() == pytest.approx([0.75, 0.5])
    assert confidence(MULTI, logits).tolist() == pytest.approx([(0.75 + 0.5) / 2, 0.5])
    entropy = (0.75 * math.log(4 / 3) + 0.25 * math.log(4)) / LN2
    assert uncertainty(SINGLE, logits).tolist() == pytest.approx([entropy, 1])
    assert uncertainty(MULTI, logits).tolist() == pytest.approx([(entropy + 1) / 2, 1])


@pytest.mark.parametrize("task", [SINGLE, MULTI])
@pytest.mark.parametrize("kind", ["equal", "teacher-confidence", "student-uncertainty"])
def test_sample_weights_have_mean_1_and_no_gradient(task, kind):
    generator = torch.Generator().manual_seed(1)
    student = torch.randn(6, 3, generator=generator, requires_grad=True)
    weights = sample_weights(kind, task, student, torch.randn(6, 3, generator=generator))
    assert weights.mean().item() == pytest.approx(1, rel=1e-6)
    assert not weights.requires_grad


def test_sample_weights_look_at_the_right_side():
    sure, unsure = torch.tensor([[5.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [5.0, 0.0]])
    by_teacher = sample_weights("teacher-confidence", SINGLE, student_logits=unsure, teacher_logits=sure)
    assert by_teacher[0] > by_teacher[1]
    by_student = sample_weights("student-uncertainty", SINGLE, student_logits=unsure, teacher_logits=sure)
    assert by_student[0] > 10 * by_student[1]


def test_when_a_student_is_sure_of_everything_the_texts_weigh_the_same():
    sure = torch.tensor([[200.0, 0.0], [0.0, 200.0]])
    assert sample_weights("student-uncertainty", SINGLE, sure, sure).tolist() == [1, 1]
